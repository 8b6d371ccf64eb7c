import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import {
  EventRefused,
  MachineNotBegun,
  TransactionPending,
  TransitionUndone,
} from '../../../../src/kit/client/index.js';
import type { Message } from '../../../../src/kit/messages/message.js';
import { Poison, type Sink } from '../../../../src/kit/messages/sink.js';
import { temporalSink } from '../../../../src/kit/worker/index.js';
import { readEndedMachine } from '../../../../src/kit/worker/ended-machine.js';
import { settle } from '../../../../src/kit/worker/settle.js';
import { EVENT_SIGNAL, type EffectOrder } from '../../../../src/kit/workflow/index.js';
import type { Carried } from '../../../../src/kit/workflow/state-machine/carried.js';
import { until } from '../../../support/until.js';
import { ParcelWorld } from './world.js';

const HOUR = 3_600_000;

describe('a state machine whose run was ended from outside', function () {
  this.timeout(120_000);
  let world: ParcelWorld;
  let sink: Sink;
  before(async () => {
    world = await ParcelWorld.open();
    const { client, taskQueue } = world;
    const target = { workflow: 'parcelBegun', signal: EVENT_SIGNAL, machine: true };
    const topics = { parcels: { ...target, workflowId: ({ key = '' }: Message) => key } };
    sink = temporalSink({ client, taskQueue, topics });
  });
  after(() => world.close());

  const tell = (key: string, id: string, payload: string) =>
    sink.deliver(
      { id, key, payload, topic: 'parcels', source: 'test', seq: 1, attempt: 1, addedAt: 1 },
      new AbortController().signal,
    );
  const terminate = async (id: string) => {
    const { runId } = await world.handle(id).describe();
    await world.handle(id).terminate('a test');
    return runId;
  };
  const again = async (id: string) => {
    assert.equal(await settle(world.client, { workflowId: id, runId: await terminate(id) }), true);
  };
  const isUnderWay = (id: string) => until(async () => (await world.view(id)).underWay !== undefined);

  it('is begun by a message with all that it knew, also before it had its row; what it had refused stays so', async () => {
    const machines = world.machines('parcelBegun');
    const id = `parcel-${randomUUID().slice(0, 8)}`;
    await assert.rejects(tell(id, 'none', 'pick'), /no state machine .* was started/);
    world.moods.set(id, 'waits');
    await machines.start(id, { of: id });
    const opening = () => world.handle(`${id}.begin`).describe();
    await until(() =>
      opening()
        .then(() => true)
        .catch(() => false),
    );
    await terminate(id);
    await tell(id, 'm-1', 'pick');
    world.moods.delete(id);
    await world.reaches(id, 'OPEN');
    await until(() => world.alarmsOf(id).includes('event-refused'));

    const order = { name: 'unpaid', byMs: HOUR, actor: 'ann', reason: 'a test', requestId: 'd-1' } as const;
    const note = await machines.moveDeadline(id, order);
    // Asked again, as its answer was lost.
    assert.deepEqual(await machines.moveDeadline(id, order), note);
    world.moods.set(id, 'waits');
    const paying = machines.send(id, 'pay', { requestId: 'p-1' }).then(({ version }) => version);
    await isUnderWay(id);
    await tell(id, 'm-2', 'pick');
    // This server loses a signal that it has taken during a task, if the run is terminated then.
    await until(async () => (await world.view(id)).waiting === 1);
    const ended = { workflowId: id, runId: await terminate(id) };
    // What had come before it was idle it had seen to.
    const { messages, refused, wasIdle } = await readEndedMachine(world.client, ended);
    const ids = messages.map(({ message }) => (message as Message).id);
    assert.deepEqual([ids, refused, wasIdle], [['m-2'], ['m-1'], true]);
    await tell(id, 'm-3', 'pack');
    await isUnderWay(id);
    const { deadlines, underWay } = await world.view(id);
    assert.deepEqual([deadlines[0]?.at, underWay?.requestId], [note.to, 'p-1']);
    world.moods.delete(id);
    // Whoever waited is answered by the run that goes on.
    assert.equal(await paying, 1);
    await world.reaches(id, 'PAID.PACK');
    assert.equal((await machines.send(id, 'pay', { requestId: 'p-1' })).version, 1);
    assert.deepEqual(await machines.moveDeadline(id, order), note);
    // Delivered a second time: the first of them was refused, though it would be legal now.
    for (const each of ['m-1', 'm-2']) await tell(id, each, 'pick');
    await tell(id, 'm-4', 'cancel');
    await world.handle(id).result();
    assert.deepEqual(await world.moves(id), ['PAID', 'PAID.PICK', 'PAID.PACK', 'CANCELLED']);
    assert.deepEqual([world.alarmsOf(id), await world.taken(id)], [['event-refused'], 1]);
    // It has ended: no message begins it.
    const { runId } = await world.handle(id).describe();
    await tell(id, 'm-5', 'pick');
    const newest = await world.handle(id).describe();
    assert.deepEqual([newest.runId, newest.status.name], [runId, 'COMPLETED']);
    // Nor one that never was there.
    const other = await world.machines().start(`parcel-${randomUUID()}`, {});
    await assert.rejects(machines.result(other.id), MachineNotBegun);
    await assert.rejects(tell(other.id, 'm-1', 'pick'), Poison);
  });

  it('lets what came in time go before a deadline that passed while nobody saw to it', async () => {
    const id = `parcel-${randomUUID().slice(0, 8)}`;
    world.moods.set(id, 'waits');
    await world.machines('parcelBegun').start(id, { of: id });
    const opening = world.handle(`${id}.begin`);
    await until(() =>
      opening.describe().then(
        () => true,
        () => false,
      ),
    );
    const now = await world.environment.currentTimeMs();
    await world.handle(id).signal(EVENT_SIGNAL, { id: 'm-1', payload: 'pay' });
    // This server loses a signal that it has taken during a task, if the run is terminated then.
    await until(async () => {
      const { events = [] } = await world.handle(id).fetchHistory();
      const place = events?.findIndex((event) => event.workflowExecutionSignaledEventAttributes != null) ?? -1;
      return place >= 0 && events?.slice(place).some((event) => event.workflowTaskCompletedEventAttributes) === true;
    });
    const runId = await terminate(id);
    await opening.terminate('a test');
    world.moods.delete(id);
    // Its half hour ends a moment after the message has come, and before anybody sees to it.
    const due = now + 2_000;
    const opened = new Date(due - HOUR / 2);
    await world.pool.query('insert into parcels (id, moved_at) values ($1, $2)', [id, opened]);
    await until(async () => (await world.environment.currentTimeMs()) > due);
    assert.equal(await settle(world.client, { workflowId: id, runId }), true);
    await until(async () => (await world.row(id)) !== 'OPEN 0');
    assert.equal(await world.row(id), 'PAID 1');
  });

  it('takes a message again for which it had no room', async () => {
    const machines = world.machines('parcelBegun');
    const id = `parcel-${randomUUID().slice(0, 8)}`;
    await machines.start(id, { of: id });
    await world.reaches(id, 'OPEN');
    world.moods.set(id, 'waits');
    const paying = machines.send(id, 'pay');
    await isUnderWay(id);
    for (let each = 0; each < 20; each++) await tell(id, `m-${each}`, 'pick');
    await tell(id, 'over', 'pack');
    await until(() => world.alarmsOf(id).includes('event-busy'));
    world.moods.delete(id);
    await paying;
    await world.reaches(id, 'PAID.PICK');
    await tell(id, 'over', 'pack');
    await world.reaches(id, 'PAID.PACK');
  });

  it('loses no message, nor their sequence, of more than go with a start, however often it is ended before it has them', async () => {
    const id = await world.parcel('parcelBegun');
    world.moods.set(id, 'waits');
    const paying = world.machines('parcelBegun').send(id, 'pay', { requestId: 'p-1' });
    await isUnderWay(id);
    const large = (number: number) => {
      const message = { id: `m-${number}`, payload: number % 2 === 0 ? 'pick' : 'pack', padding: 'x'.repeat(200_000) };
      return world.handle(id).signal(EVENT_SIGNAL, message);
    };
    for (let each = 0; each < 6; each++) await large(each);
    await until(async () => (await world.view(id)).waiting === 6);
    const given = async () => {
      const { runId } = await world.handle(id).describe();
      const { args } = await readEndedMachine(world.client, { workflowId: id, runId });
      const { messages, more } = (args[1] as Carried).resumed ?? {};
      return { runId, count: messages?.length, more };
    };
    const first = await world.handle(id).describe();
    world.moods.set(`read ${id}`, 'waits');
    await again(id);
    const second = await given();
    assert.deepEqual([second.count, second.more], [2, [{ runId: first.runId, from: 2 }]]);
    // This one does not come to open, and gets one more.
    await large(6);
    await until(async () => {
      const events = (await world.handle(id).fetchHistory()).events ?? [];
      const came = events.findIndex((event) => event.workflowExecutionSignaledEventAttributes);
      return came >= 0 && events.slice(came).some((event) => event.workflowTaskCompletedEventAttributes);
    });
    await again(id);
    const third = await given();
    assert.deepEqual(
      [third.count, third.more],
      [
        2,
        [
          { runId: first.runId, from: 2 },
          { runId: second.runId, from: 0 },
        ],
      ],
    );
    await large(7);
    world.moods.clear();
    await paying;
    await until(async () => (await world.view(id)).version === 9);
    const back = Array.from({ length: 4 }, () => ['PAID.PICK', 'PAID.PACK']).flat();
    assert.deepEqual([await world.moves(id), world.alarmsOf(id)], [['PAID', ...back], []]);
  });

  it('takes all messages that were taken before, though fewer may wait', async () => {
    const id = `parcel-${randomUUID().slice(0, 8)}`;
    await world.openRow(id);
    const events = ['pay', ...Array.from({ length: 25 }, () => ['pick', 'pack']).flat()];
    const messages = events.map((payload, number) => ({ at: 1, message: { id: `m-${number}`, payload } }));
    const resumed = { effects: [], ends: [], messages, refused: [], moved: [] };
    const carried: Carried = { runs: 0, jobs: [], resumed };
    const { taskQueue } = world;
    await world.client.workflow.start('parcelBegun', { taskQueue, workflowId: id, args: [{ data: {} }, carried] });
    await until(async () => (await world.view(id)).version === events.length);
    assert.deepEqual(world.alarmsOf(id), []);
  });

  it('tells people of messages that are lost with the history of a run, and goes on', async () => {
    const id = `parcel-${randomUUID().slice(0, 8)}`;
    await world.openRow(id);
    const none = { effects: [], ends: [], messages: [], refused: [], moved: [] };
    const carried: Carried = { runs: 0, jobs: [], resumed: { ...none, more: [{ runId: randomUUID(), from: 2 }] } };
    const { taskQueue } = world;
    await world.client.workflow.start('parcelBegun', { taskQueue, workflowId: id, args: [{ data: {} }, carried] });
    await world.reaches(id, 'OPEN');
    await until(() => world.alarmsOf(id).includes('failed'));
  });

  it('is waited for by whoever commands it before somebody has begun it anew', async () => {
    const id = await world.parcel();
    const machines = world.machines();
    const ended = { workflowId: id, runId: await terminate(id) };
    await assert.rejects(machines.send(id, 'pay', { requestId: 'p-1', wait: '1 second' }), TransactionPending);
    const paying = machines.send(id, 'pay', { requestId: 'p-1' });
    assert.equal(await settle(world.client, ended), true);
    assert.equal((await paying).version, 1);
  });

  it('begins what belongs to its state where somebody else has brought it there, and a saga of its own came too late', async () => {
    const id = `parcel-${randomUUID().slice(0, 8)}`;
    await world.openRow(id);
    await world.pool.query(`update parcels set status = 'BACK', version = 1 where id = $1`, [id]);
    const move = { id, event: 'pay', from: 'OPEN', to: 'BACK', version: 0, at: 1, requestId: 'x' } as const;
    const effect: EffectOrder = { ...move, input: undefined, data: {}, move };
    const { taskQueue } = world;
    const saga = { taskQueue, workflowId: `${id}.pay.x`, args: [effect] };
    const paying = await world.client.workflow.start('payParcel', saga);
    const end: unknown = await paying.result().catch((error: unknown) => error);
    assert.ok(end instanceof Error);
    const resumed = { effects: [effect], ends: [], messages: [], refused: [], moved: [] };
    const args = [{ data: {} }, { runs: 0, jobs: [], resumed } satisfies Carried];
    await world.client.workflow.start('parcelLife', { taskQueue, workflowId: id, args });
    await world.handle(id).result();
    assert.deepEqual(await world.moves(id), ['CANCELLED']);
  });

  it('waits for no saga of which nobody knows any more, and gives up none that goes on', async () => {
    const id = `parcel-${randomUUID().slice(0, 8)}`;
    await world.openRow(id);
    const move = { id, event: 'pay', from: 'OPEN', to: 'PAID', version: 0, at: 1 } as const;
    const effect = (requestId: string): EffectOrder => ({
      ...{ ...move, requestId, input: undefined, data: {}, move: { ...move, requestId } },
    });
    world.moods.set(id, 'waits');
    const { taskQueue } = world;
    await world.client.workflow.start('payParcel', { taskQueue, workflowId: `${id}.pay.real`, args: [effect('real')] });
    const resumed = { effects: [effect('gone'), effect('real')], ends: [], messages: [], refused: [], moved: [] };
    // The run before went by an older table, which had no deadlines.
    const since = await world.environment.currentTimeMs();
    const kept: Carried['kept'] = {
      ...{ layout: 1, state: 'OPEN', version: 0, since, resynced: 0 },
      ...{ answers: [], failed: [], seen: [], refused: [], deadlines: { running: [], moved: [] } },
    };
    const carried: Carried = { kept, runs: 0, jobs: [], resumed };
    await world.client.workflow.start('parcelHasty', { taskQueue, workflowId: id, args: [undefined, carried] });
    await until(async () => (await world.view(id)).underWay?.requestId === 'real');
    assert.deepEqual(
      (await world.view(id)).deadlines.map(({ name, at }) => [name, at]),
      [['unpaid', since + HOUR / 2]],
    );
    world.moods.delete(id);
    await world.reaches(id, 'PAID');
    const machines = world.machines('parcelHasty');
    const undone = (type: string) => (error: unknown) => {
      assert.ok(error instanceof TransitionUndone, String(error));
      assert.equal(error.why?.type, type);
      return true;
    };
    await assert.rejects(machines.send(id, 'pay', { requestId: 'gone' }), undone('SagaGone'));
    assert.deepEqual([await world.row(id), await world.taken(id)], ['PAID 1', 1]);

    // One that has seen the end of its sagas waits for none of them when it is taken over, and answers as before.
    const other = await world.parcel();
    world.moods.set(other, 'refuses');
    await assert.rejects(world.machines().send(other, 'pay', { requestId: 'no' }), undone('Refused'));
    world.moods.delete(other);
    const paid = await world.machines().send(other, 'pay', { requestId: 'yes' });
    for (let round = 0; round < 2; round++) {
      await again(other);
      await world.reaches(other, 'PAID');
      await assert.rejects(world.machines().send(other, 'pay', { requestId: 'no' }), undone('Refused'));
      assert.deepEqual(await world.machines().send(other, 'pay', { requestId: 'yes' }), paid);
    }
    const { events } = await world.handle(other).fetchHistory();
    assert.ok(events);
    assert.ok(events.every((event) => event.startChildWorkflowExecutionInitiatedEventAttributes == null));
    assert.equal(events.filter((event) => event.activityTaskScheduledEventAttributes).length, 1, 'reads its row');
  });

  it('has moved when a saga is left by a person past its pivot, whether its run lives or not', async () => {
    const machines = world.machines();
    for (const isEnded of [true, false]) {
      const id = await world.parcel();
      world.moods.set(`tell ${id}`, 'refuses');
      const paying = machines.send(id, 'pay', { requestId: 'p-1' }).catch(() => undefined);
      await until(async () => (await world.row(id)) === 'PAID 1');
      if (isEnded) {
        await again(id);
        await world.reaches(id, 'PAID');
      }
      // Whether its run lives or not: nothing else happens before what is to follow has ended.
      await isUnderWay(id);
      const picking = machines.send(id, 'pick');
      await until(async () => (await world.view(id)).waiting === 1);
      assert.equal(await world.row(id), 'PAID 1');
      await world.skip(`${id}.pay.p-1`, 'tell');
      await assert.rejects(world.handle(`${id}.pay.p-1`).result());
      await Promise.all([paying, picking]);
      assert.equal((await machines.send(id, 'pay', { requestId: 'p-1' })).version, 1);
      assert.deepEqual([await world.row(id), await world.taken(id)], ['PAID.PICK 2', 1]);
    }
  });

  it('loses nothing of what its states have begun, however often it is ended', async () => {
    for (const when of ['when it has ended', 'while it runs']) {
      const id = `parcel-${randomUUID().slice(0, 8)}`;
      for (const mood of [id, `check ${id}`]) world.moods.set(mood, 'waits');
      await world.openRow(id);
      const machines = world.machines('parcelChecked');
      await machines.start(id, {});
      await world.reaches(id, 'OPEN');
      const paying = machines.send(id, 'pay', { requestId: 'p-1' }).catch(() => undefined);
      await isUnderWay(id);
      if (when === 'when it has ended') {
        // What it has ended with waits for its turn.
        world.moods.delete(`check ${id}`);
        await until(async () => (await world.view(id)).waiting === 1);
        await again(id);
      } else {
        // Ended a second time before it knows where its row is.
        world.moods.set(`read ${id}`, 'waits');
        await again(id);
        await until(async () => {
          const { events } = await world.handle(id).fetchHistory();
          return events?.some((event) => event.activityTaskScheduledEventAttributes) === true;
        });
        // The saga ends, and moves the row: what its first state begins nobody begins anew.
        world.moods.delete(id);
        await until(async () => (await world.row(id)) === 'PAID 1');
        await again(id);
        for (const mood of ['read', 'check']) world.moods.delete(`${mood} ${id}`);
      }
      world.moods.delete(id);
      await world.reaches(id, 'PAID.PICK');
      await paying;
      await machines.send(id, 'pack');
      await machines.send(id, 'done');
      await machines.result(id);
      assert.deepEqual(await world.moves(id), ['PAID', 'PAID.PICK', 'PAID.PACK', 'DONE'], when);
    }
  });

  it('believes no saga that is not its own, nor one that has not moved its row', async () => {
    const [id, victim] = [await world.parcel(), await world.parcel()];
    const { taskQueue } = world;
    const machines = world.machines();
    const move = { id: victim, event: 'pay', from: 'OPEN', to: 'PAID', version: 0, at: 1, requestId: 'x' } as const;
    // Of another type; and of the same, of another object.
    await world.client.workflow.start('openParcel', {
      taskQueue,
      workflowId: `${id}.pay.0`,
      args: [{ id: `${id}-a` }],
    });
    await world.client.workflow.start('payParcel', { taskQueue, workflowId: `${id}.pay.x`, args: [{ ...move, move }] });
    const undone = (why: RegExp) => (error: unknown) => error instanceof TransitionUndone && why.test(error.message);
    await assert.rejects(machines.send(id, 'pay'), undone(/OtherWorkflow: .* is a run of 'openParcel'/));
    await assert.rejects(
      machines.send(id, 'pay', { requestId: 'x' }),
      (error) =>
        error instanceof EventRefused &&
        error.type === 'MovedNothing' &&
        /has moved nothing, though .* is committed, and its effects stand/.test(error.message),
    );
    assert.equal(await world.row(id), 'OPEN 0');
    await until(() => world.alarmsOf(id).includes('failed'));
    assert.deepEqual([(await machines.send(id, 'pay')).version, await world.row(id)], [1, 'PAID 1']);
  });

  it('loses no alarm, neither from run to run nor at its end', async () => {
    const machines = world.machines('parcelShort');
    const id = await world.parcel('parcelShort');
    world.isDeaf = true;
    await world.handle(id).signal(EVENT_SIGNAL, { id: 'm-1', event: 'pick' });
    await until(async () => (await world.view(id)).refused.length === 1);
    // As long as an alarm keeps a run from going over to the next one, what has come may be held for that.
    const held = await world.parcel();
    await world.handle(held).signal(EVENT_SIGNAL, { id: 'm-2', event: 'pick' });
    await until(async () => (await world.view(held)).refused.length === 1);
    const { messages } = await readEndedMachine(world.client, { workflowId: held, runId: await terminate(held) });
    assert.deepEqual(
      messages.map(({ message }) => message),
      [{ id: 'm-2', event: 'pick' }],
    );
    await machines.send(id, 'pay');
    for (let round = 0; round < 4; round++)
      for (const event of ['pick', 'pack'] as const) await machines.send(id, event);
    assert.ok((await world.view(id)).runs >= 1);
    // Nor when its run is ended.
    await again(id);
    await world.reaches(id, 'PAID.PACK');
    await machines.send(id, 'cancel');
    await world.reaches(id, 'CANCELLED');
    assert.equal((await world.handle(id).describe()).status.name, 'RUNNING');
    world.isDeaf = false;
    await world.handle(id).result();
    assert.ok(world.alarmsOf(id).includes('event-refused'));
  });
});
