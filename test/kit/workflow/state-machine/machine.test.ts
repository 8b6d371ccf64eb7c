import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker } from '@temporalio/worker';
import {
  EventRefused,
  GidConflict,
  IllegalTransition,
  OrderRefused,
  TransactionPending,
  TransitionUndone,
} from '../../../../src/kit/client/index.js';
import { EVENT_SIGNAL, type MachineMessage } from '../../../../src/kit/workflow/index.js';
import { settle } from '../../../../src/kit/worker/settle.js';
import { bundleOf } from '../../../support/bundles.js';
import { until } from '../../../support/until.js';
import { ParcelWorld, workflowsPath } from './world.js';

const HOUR = 3_600_000;

describe('a state machine as a workflow', function () {
  this.timeout(120_000);
  let world: ParcelWorld;
  let machines: ReturnType<ParcelWorld['machines']>;
  before(async () => {
    world = await ParcelWorld.open();
    machines = world.machines();
  });
  after(() => world.close());

  /** Where the histories are that the next test replays. `BACKSTITCH_RECORD=1` writes them anew. */
  const folder = fileURLToPath(new URL('histories', import.meta.url));
  const record = async (name: string, id: string) => {
    if (process.env.BACKSTITCH_RECORD === undefined) return;
    mkdirSync(folder, { recursive: true });
    for (const old of readdirSync(folder)) if (old.startsWith(`${name}.`)) rmSync(`${folder}/${old}`);
    writeFileSync(`${folder}/${name}.${id}.json`, historyToJSON(await world.handle(id).fetchHistory()));
  };

  it('replays what was recorded: runs under way go on under this code', async () => {
    const workflowBundle = await bundleOf(workflowsPath);
    const names = readdirSync(folder);
    assert.ok(names.length >= 2 || process.env.BACKSTITCH_RECORD !== undefined);
    const histories = names.map((name) => ({
      // Its id is a part of what it has begun.
      workflowId: name.split('.')[1] ?? '',
      history: JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')) as object,
    }));
    for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle }, histories)) {
      assert.equal(error, undefined, `${workflowId}: ${error?.message}`);
    }
  });

  const message = (id: string, given: MachineMessage) => world.handle(id).signal(EVENT_SIGNAL, given);
  const sleep = (duration: number | string) => world.environment.sleep(duration as never);

  it('moves its row along the table, and refuses what is illegal without a trace', async () => {
    const id = await world.parcel();
    const by = { actor: 'ann', reason: 'a test' };
    const paid = await machines.send(id, 'pay', { by });
    assert.deepEqual(
      { ...paid, at: 0 },
      { event: 'pay', requestId: 'pay.0', from: 'OPEN', to: 'PAID', version: 1, at: 0, result: { taken: 1 } },
    );
    const before = await world.accepted(id);
    for (const event of ['pack', 'send'] as const) {
      await assert.rejects(machines.send(id, event, { requestId: `${event}-1` }), (error) => {
        assert.ok(error instanceof IllegalTransition, String(error));
        assert.match(error.message, /is illegal in PAID; legal are: cancel, pick$/);
        assert.deepEqual([error.state, error.legal], ['PAID', ['cancel', 'pick']]);
        return true;
      });
    }
    assert.equal(await world.accepted(id), before);
    assert.equal(await world.row(id), 'PAID 1');

    for (const event of ['pick', 'pack'] as const) await machines.send(id, event);
    await assert.rejects(
      machines.send(id, 'send', { requestId: 's-1' }),
      /'send' is refused in PAID\.PACK: its weight is not known/,
    );
    await machines.send(id, 'send', { requestId: 's-2', input: { grams: 7 }, by });
    const view = await world.view(id);
    assert.deepEqual(
      { state: view.state, legal: view.legal, deadlines: view.deadlines.map(({ name }) => name), final: view.final },
      { state: 'SENT', legal: ['giveBack', 'done'], deadlines: ['kept'], final: false },
    );
    await machines.send(id, 'done');
    assert.deepEqual(await world.moves(id), ['PAID', 'PAID.PICK', 'PAID.PACK', 'SENT', 'DONE']);
    const { state, version } = await machines.result(id);
    assert.deepEqual([state, version, await world.row(id)], ['DONE', 5, 'DONE 5']);
    // It has ended: its requests are answered as before, and nothing else is legal.
    assert.equal((await machines.send(id, 'send', { requestId: 's-2' })).version, 4);
    await assert.rejects(machines.send(id, 'pay', { requestId: 'late' }), /'pay' is illegal in DONE; nothing is legal/);
    assert.equal((await machines.start(id, { of: id })).duplicate, true);
    await record('through-its-life', id);
  });

  // Before all in which a run is terminated: one that is in the midst of a task then keeps this server's time from being skipped, for good.
  it('has deadlines of weeks, which a person moves and a change of runs does not', async () => {
    const id = await world.parcel('parcelShort');
    const { at } = (await world.view(id)).deadlines[0] ?? { at: 0 };
    const order = { name: 'unpaid', byMs: 24 * HOUR, actor: 'ann', reason: 'the bank is closed' } as const;
    const note = await machines.moveDeadline(id, order);
    assert.deepEqual([note.from, note.to], [at, at + 24 * HOUR]);
    await assert.rejects(
      machines.moveDeadline(id, { ...order, name: 'kept' }),
      (error) => error instanceof OrderRefused,
    );
    await sleep('2 hours');
    assert.equal(await world.row(id), 'OPEN 0');
    await machines.send(id, 'pay');
    // Not picked within an hour: reminded, an hour later again, and then a person is told.
    await sleep('181 minutes');
    // At least once: a leap of time may overtake an answer.
    assert.deepEqual(
      [...new Set(world.reminded.filter((each) => each.startsWith(id)))],
      [`${id} unpicked.1.1`, `${id} unpicked.1.2`],
    );
    await until(() => world.alarmsOf(id).includes('deadline-passed'));
    // Then it has done all that it had to do.
    await sleep('3 hours');
    assert.deepEqual(world.alarmsOf(id), ['deadline-passed']);
    await machines.send(id, 'pick');
    const begun = (await world.view(id)).deadlines[0]?.at ?? 0;
    await sleep('5 hours');
    for (let round = 0; round < 4; round++)
      for (const event of ['pack', 'pick'] as const) await machines.send(id, event);
    const { runs, deadlines, moved } = await world.view(id);
    assert.ok(runs >= 2, `${runs} runs`);
    assert.deepEqual([deadlines[0]?.name, deadlines[0]?.at], ['unsent', begun]);
    assert.deepEqual(
      moved.map(({ name, reason }) => [name, reason]),
      [['unpaid', 'the bank is closed']],
    );
    await sleep('3 hours');
    await until(() => world.alarmsOf(id).includes('parcel-late'));
    await machines.send(id, 'pack');
    await machines.send(id, 'send', { input: { grams: 1 } });
    const { state, transitions } = (await world.handle(id).result()) as {
      state: string;
      transitions: { event: string; at: number }[];
    };
    assert.equal(state, 'DONE');
    await record('deadlines', id);
    const [sent, done] = transitions.slice(-2);
    assert.ok(done && sent && done.at - sent.at >= 21 * 24 * HOUR && done.at - sent.at < 21 * 24 * HOUR + HOUR);
  });

  it('answers a request once and for all: while it is under way, from run to run, and after its run was terminated', async () => {
    const id = await world.parcel('parcelShort');
    const pays = await Promise.all([1, 2, 3].map(() => machines.send(id, 'pay', { requestId: 'p-1' })));
    assert.deepEqual(new Set(pays.map(({ at, version }) => `${at} ${version}`)).size, 1);
    await assert.rejects(
      machines.send(id, 'pick', { requestId: 'p-1' }),
      (error) => error instanceof EventRefused && error.type === 'OtherRequest',
    );
    for (let round = 0; round < 4; round++)
      for (const event of ['pick', 'pack'] as const) await machines.send(id, event);
    const { runs, version } = await world.view(id);
    assert.ok(runs >= 2 && version === 9, `${runs} runs, move ${version}`);
    assert.deepEqual(await machines.send(id, 'pay', { requestId: 'p-1' }), pays[0]);
    assert.equal(await world.taken(id), 1);

    const { runId } = await world.handle(id).describe();
    await world.handle(id).terminate('a test');
    assert.equal(await settle(world.client, { workflowId: id, runId }), true);
    assert.equal(await settle(world.client, { workflowId: id, runId }), false);
    await world.reaches(id, 'PAID.PACK');
    const again = await machines.send(id, 'pay', { requestId: 'p-1' });
    assert.deepEqual([again.version, again.to], [1, 'PAID']);
    assert.equal(await world.row(id), 'PAID.PACK 9');
    // Started again it is the same one, by whichever run; what does not fit is told, and changes nothing.
    const short = world.machines('parcelShort');
    assert.equal((await short.start(id, { of: id })).duplicate, true);
    const other = await world.parcel();
    const misfits = [
      [short, id, 'somebody else', /was started before with other content: nothing was started/],
      [machines, id, id, /was started before as a run of 'parcelShort': nothing was started/],
      [machines, other, id, /was started before with other content/],
    ] as const;
    for (const [by, started, of, why] of misfits) {
      const refused = (error: unknown) => error instanceof GidConflict && why.test(error.message);
      await assert.rejects(by.start(started, { of }), refused, String(why));
    }
    assert.equal(await world.row(id), 'PAID.PACK 9');
  });

  it('lets a deadline and a payment of the same moment have one winner, and the money follows it', async () => {
    const id = await world.parcel();
    world.moods.set(id, 'waits');
    const paying = machines.send(id, 'pay', { requestId: 'p' }).then(
      () => 'paid',
      (error: unknown) => String(error),
    );
    await until(async () => (await world.view(id)).underWay !== undefined);
    // Its time is over while the payment is under way: that comes first.
    await machines.moveDeadline(id, { name: 'unpaid', to: 1, actor: 'ann', reason: 'a test' });
    world.moods.delete(id);
    assert.equal(await paying, 'paid');
    assert.equal(await world.row(id), 'PAID 1');
    const other = await world.parcel();
    await machines.moveDeadline(other, { name: 'unpaid', to: 1, actor: 'ann', reason: 'a test' });
    await assert.rejects(machines.send(other, 'pay'), /illegal in CANCELLED/);
    assert.deepEqual([await world.row(other), await world.taken(other)], ['CANCELLED 1', 0]);
    // What came before it and has to wait comes first too, whoever wins what is under way.
    const third = await world.parcel();
    world.moods.set(third, 'waits');
    const refused = assert.rejects(machines.send(third, 'pay'), TransitionUndone);
    await until(async () => (await world.view(third)).underWay !== undefined);
    const cancelling = machines.send(third, 'cancel', { requestId: 'c' });
    cancelling.catch(() => undefined);
    await until(async () => (await world.view(third)).waiting === 1);
    await machines.moveDeadline(third, { name: 'unpaid', to: 1, actor: 'ann', reason: 'a test' });
    world.moods.set(third, 'refuses');
    await refused;
    assert.deepEqual([(await cancelling).requestId, await world.row(third)], ['c', 'CANCELLED 1']);
  });

  it('stays where it is when its effects are undone, and tries again when it is asked again', async () => {
    const id = await world.parcel();
    world.moods.set(id, 'refuses');
    const refused = (error: unknown) => {
      assert.ok(error instanceof TransitionUndone, String(error));
      assert.deepEqual([error.state, error.why?.type], ['OPEN', 'Refused']);
      return true;
    };
    await assert.rejects(machines.send(id, 'pay', { requestId: 'p-1' }), refused);
    await assert.rejects(
      machines.send(id, 'pay'),
      (error) => refused(error) && (error as TransitionUndone).transaction === `${id}.pay.0`,
    );
    world.moods.delete(id);
    // What was asked under that id stays as it was answered.
    await assert.rejects(machines.send(id, 'pay', { requestId: 'p-1' }), refused);
    const paid = await machines.send(id, 'pay');
    assert.deepEqual([paid.version, await world.taken(id), await world.row(id)], [1, 1, 'PAID 1']);
    await record('undone-and-paid', id);
  });

  it('does not let anybody wait for what is stuck, and bounds what waits', async () => {
    const hasty = world.machines('parcelHasty');
    const id = await world.parcel('parcelHasty');
    world.moods.set(id, 'waits');
    const told = { pending: 0, busy: 0 };
    const sent = Array.from({ length: 25 }, (_, place) =>
      hasty.send(id, 'pay', { requestId: `p-${place}` }).catch((error: unknown) => {
        if (error instanceof TransactionPending) told.pending++;
        else if (error instanceof EventRefused && error.type === 'Busy') told.busy++;
        else throw error;
      }),
    );
    // A message nobody waits for: it is not given up.
    await until(async () => (await world.view(id)).underWay !== undefined);
    await message(id, { id: 'm-1', event: 'pick' });
    await Promise.all(sent);
    // One is under way, twenty wait.
    assert.deepEqual(told, { pending: 21, busy: 4 });
    await assert.rejects(hasty.send(id, 'cancel'), TransactionPending);
    const { underWay, waiting } = await world.view(id);
    assert.deepEqual([underWay?.event, waiting], ['pay', 1]);
    world.moods.delete(id);
    await world.reaches(id, 'PAID.PICK');
    assert.equal((await hasty.send(id, 'pay', { requestId: underWay?.requestId })).to, 'PAID');
    assert.equal(await world.taken(id), 1);
  });

  it('takes the state of a row that somebody else has moved', async () => {
    const id = await world.parcel();
    await world.pool.query(`update parcels set status = 'PAID', version = 1 where id = $1`, [id]);
    // By a saga, which is undone; and by a call.
    await assert.rejects(
      machines.send(id, 'pay'),
      (error) => error instanceof IllegalTransition && error.state === 'PAID',
    );
    assert.equal(await world.taken(id), 0);
    const { state, resynced, deadlines } = await world.view(id);
    assert.deepEqual([state, resynced, deadlines.map(({ name }) => name)], ['PAID', 1, ['unpicked']]);
    await world.pool.query(`update parcels set sub_status = 'PICK', version = 2 where id = $1`, [id]);
    await assert.rejects(
      machines.send(id, 'pick'),
      /'pick' came too late: it is in PAID\.PICK by now; legal are: cancel, pack/,
    );
    await machines.send(id, 'pack');
    assert.equal(await world.row(id), 'PAID.PACK 3');
  });

  it('takes messages once, notes those that are illegal, and is silent about those that its table ignores', async () => {
    const id = await world.parcel();
    await message(id, { id: 'm-1', event: 'pick' });
    await until(() => world.alarmsOf(id).length === 1);
    assert.deepEqual(
      (await world.view(id)).refused.map(({ id: of, event, state }) => [of, event, state]),
      [['m-1', 'pick', 'OPEN']],
    );
    await machines.send(id, 'pay');
    for (const each of ['m-2', 'm-2', 'm-1'])
      await message(id, { id: each, event: 'pick', by: { actor: 'warehouse' } });
    await message(id, { id: 'm 3/ä', event: 'pack' });
    await world.reaches(id, 'PAID.PACK');
    // Nor is one refused twice.
    assert.equal((await world.view(id)).refused.length, 1);
    await machines.send(id, 'cancel');
    assert.deepEqual(await world.moves(id), ['PAID', 'PAID.PICK', 'PAID.PACK', 'CANCELLED']);
    const other = await world.parcel();
    await machines.send(other, 'pay');
    for (const event of ['pick', 'pack'] as const) await machines.send(other, event);
    await machines.send(other, 'send', { input: { grams: 1 } });
    await message(other, { id: 'late', event: 'pick' });
    await message(other, { id: 'bad', event: 'sing' });
    await until(() => world.alarmsOf(other).length > 0);
    assert.deepEqual(
      (await world.view(other)).refused.map(({ id: of }) => of),
      ['bad'],
    );
  });

  it('begins on entry what ends as an event', async () => {
    const ends: string[] = [];
    for (const mood of [undefined, 'refuses'] as const) {
      const id = await world.parcel();
      await machines.send(id, 'pay');
      for (const event of ['pick', 'pack'] as const) await machines.send(id, event);
      await machines.send(id, 'send', { input: { grams: 1 } });
      world.moods.set(id, mood ?? 'waits');
      await machines.send(id, 'giveBack');
      if (mood === undefined) {
        // What is under way goes from run to run.
        await machines.wake(id);
        await until(async () => (await world.view(id)).runs === 1);
        world.moods.delete(id);
      }
      await until(async () => (await world.moves(id)).length === 6);
      ends.push(`${await world.row(id)} ${await world.taken(id)}`);
    }
    assert.deepEqual(ends, ['CANCELLED 6 101', 'SENT 6 1']);
  });

  it('ends when all that it has begun has ended, too', async () => {
    const id = await world.parcel();
    await machines.send(id, 'pay');
    world.moods.set(id, 'waits');
    await machines.moveDeadline(id, { name: 'unpicked', to: 1, actor: 'ann', reason: 'a test' });
    await until(async () => (await world.view(id)).running.length === 1);
    await machines.send(id, 'cancel', { requestId: 'c-1' });
    assert.equal((await world.handle(id).describe()).status.name, 'RUNNING');
    await assert.rejects(machines.send(id, 'pick'), /illegal in CANCELLED; nothing is, as it is final/);
    assert.equal((await machines.send(id, 'cancel', { requestId: 'c-1' })).version, 2);
    world.moods.delete(id);
    await machines.result(id);
    assert.deepEqual(
      world.reminded.filter((each) => each.startsWith(id)),
      [`${id} unpicked.1.1`],
    );
  });

  it('goes on after its run was terminated: with what was under way, what had come, and deadlines that were moved', async () => {
    const id = await world.parcel();
    const { to } = await machines.moveDeadline(id, { name: 'unpaid', byMs: HOUR, actor: 'ann', reason: 'a test' });
    world.moods.set(id, 'waits');
    const paying = machines.send(id, 'pay', { requestId: 'p-1' }).then(({ version: moved }) => moved);
    await until(async () => (await world.view(id)).underWay !== undefined);
    await message(id, { id: 'early', event: 'pick' });
    // This server loses a signal that it has taken during a task, if the run is terminated then.
    // More than goes with a start.
    const many = ['pack', 'pick', 'pack', 'pick', 'pack', 'pick'];
    for (const [place, event] of many.entries())
      await message(id, { id: `large-${place}`, event, input: 'x'.repeat(99_000) });
    await until(async () => (await world.view(id)).waiting === 7);
    const { runId } = await world.handle(id).describe();
    await world.handle(id).terminate('a test');
    // This server ends no child with its parent, whatever it is told; a real one does, unless it is to be abandoned (2).
    const { events } = await world.client.workflow.getHandle(id, runId).fetchHistory();
    const children = events?.flatMap((each) => each.startChildWorkflowExecutionInitiatedEventAttributes ?? []);
    assert.deepEqual(
      children?.map(({ parentClosePolicy }) => parentClosePolicy),
      [2],
    );
    assert.equal(await settle(world.client, { workflowId: id, runId }), true);
    await until(async () => (await world.view(id)).underWay !== undefined);
    const { deadlines, moved } = await world.view(id);
    assert.deepEqual([deadlines[0]?.at, moved.length], [to, 1]);
    world.moods.delete(id);
    // Whoever waited is answered by the run that goes on.
    assert.equal(await paying, 1);
    await until(async () => (await world.row(id)) === 'PAID.PICK 8');
    await world.reaches(id, 'PAID.PICK');
    const { version, result } = await machines.send(id, 'pay', { requestId: 'p-1' });
    assert.deepEqual([version, result], [1, { taken: 1 }]);
    assert.deepEqual([await world.row(id), await world.taken(id)], ['PAID.PICK 8', 1]);
    const { refused } = await world.view(id);
    assert.deepEqual([refused, world.alarmsOf(id)], [[], []]);
  });

  it('has one row for two machines: both follow it', async () => {
    const id = await world.parcel();
    const { runId } = await world.handle(id).describe();
    // The first machine's payment is on its way when that is terminated, and a second one is started, which cancels.
    world.moods.set(id, 'waits');
    const paying = machines.send(id, 'pay').catch(() => 'lost');
    await until(async () => (await world.view(id)).underWay !== undefined);
    await world.handle(id).terminate('a test');
    await paying;
    // Without what the first one knew.
    await world.client.workflow.start('parcelLife', { taskQueue: world.taskQueue, workflowId: id, args: [] });
    assert.equal(await settle(world.client, { workflowId: id, runId }), false);
    await machines.send(id, 'cancel');
    world.moods.delete(id);
    await assert.rejects(world.handle(`${id}.pay.0`).result());
    assert.deepEqual([await world.row(id), await world.taken(id)], ['CANCELLED 1', 0]);
  });

  it('fails when there is nothing to begin with', async () => {
    const id = `parcel-${randomUUID()}`;
    await machines.start(id, {});
    await assert.rejects(machines.result(id), /there is no row/);
  });
});
