import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { WithStartWorkflowOperation, type WorkflowHandle } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import {
  DECISION_UPDATE,
  initialAttributes,
  TRANSACTION_QUERY,
  TX_STATE,
  type Decision,
  type TransactionView,
} from '../../../src/kit/workflow/index.js';
import { fail, gate, refuse, succeed, type Script } from './support/letters.js';
import { SagaWorld } from './support/saga-world.js';

describe('a saga as others see it', () => {
  let world: SagaWorld;
  before(async () => {
    world = await SagaWorld.open();
  });
  after(() => world.close());

  const look = (handle: WorkflowHandle) => handle.query<TransactionView>(TRANSACTION_QUERY);
  const states = (view: TransactionView) =>
    view.branches.map(({ branch, state, second }) => [branch, state, ...(second ? [second.op, second.state] : [])]);

  /** The transitions of the search attributes, from the history. */
  async function upserts(gid: string): Promise<Record<string, unknown>[]> {
    const events = await world.events(gid);
    return events.flatMap(({ upsertWorkflowSearchAttributesEventAttributes: upsert }) => {
      const fields = upsert?.searchAttributes?.indexedFields;
      if (!fields) return [];
      return [Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, decode(value)]))];
    });
  }
  const decode = (payload: Parameters<typeof defaultPayloadConverter.fromPayload>[0]) =>
    defaultPayloadConverter.fromPayload(payload);

  it('answers at every moment what is known of each branch', async () => {
    const [atB, atC, undoingB] = [gate(), gate(refuse), gate()];
    const script = { b: atB.behaviour, c: atC.behaviour, 'undo b': undoingB.behaviour };
    const handle = await world.start('steps', script, { deadline: '1 hour' });
    await atB.reached;
    const first = await look(handle);
    assert.equal(first.state, 'running');
    assert.deepEqual(states(first), [
      ['a', 'succeeded'],
      ['b', 'running'],
    ]);
    assert.equal(first.gid, handle.workflowId);
    assert.equal(first.scheme, 'saga');
    assert.equal(first.lane, 'durable');
    assert.equal(first.deadlineAt, first.startedAt + 3_600_000);
    const [a] = first.branches;
    assert.ok(a?.endedAt !== undefined && a.endedAt >= a.startedAt);
    assert.deepEqual(
      { seq: a.seq, operation: a.operation, summary: a.summary },
      { seq: 1, operation: 'letters.a', summary: 'do a' },
    );

    atB.open();
    await atC.reached;
    assert.deepEqual(states(await look(handle)), [
      ['a', 'succeeded'],
      ['b', 'succeeded'],
      ['c', 'running'],
    ]);

    atC.open();
    await undoingB.reached;
    const undoing = await look(handle);
    assert.equal(undoing.state, 'compensating');
    assert.deepEqual(states(undoing), [
      ['a', 'succeeded'],
      ['b', 'succeeded', 'compensation', 'running'],
      ['c', 'rejected'],
    ]);
    assert.deepEqual(undoing.branches[2]?.failure, { type: 'Refused', message: 'c is refused' });
    assert.equal(undoing.report?.state, 'compensating');
    assert.deepEqual(
      undoing.report.notUndone.map(({ step }) => step),
      ['a', 'b'],
    );

    undoingB.open();
    const { report } = await world.end(handle);
    const last = await look(handle);
    assert.equal(last.state, 'compensated');
    assert.deepEqual(states(last), [
      ['a', 'succeeded', 'compensation', 'done'],
      ['b', 'succeeded', 'compensation', 'done'],
      ['c', 'rejected'],
    ]);
    assert.deepEqual(last.report, report);
  });

  it('shows an undo that waits for a person, with its failure, and what the person did', async () => {
    const handle = await world.start('steps', { c: refuse, 'undo b': refuse });
    const failure = { type: 'Refused', message: 'b is refused' };
    const waiting = await world.stuck(handle);
    assert.deepEqual(waiting.branches[1]?.second, { op: 'compensation', state: 'parked', failure });
    const details = async () =>
      (await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata')).currentDetails;
    assert.match(
      await details(),
      /\*\*compensation of `b` waits for a person\*\* \(retry, resolve, skip\): b is refused/,
    );
    await world.leave(handle, ['b']);
    const view = await look(handle);
    assert.equal(view.state, 'failed');
    assert.deepEqual(view.branches[1]?.second?.state, 'skipped');
    assert.match(await details(), /skip of `b` by ann: a test/);
  });

  it('shows its branches as a table in the current details', async () => {
    const { gid } = await world.run('steps', { c: refuse });
    const handle = world.environment.client.workflow.getHandle(gid);
    const { currentDetails } = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
    assert.deepEqual(currentDetails.split('\n'), [
      `**compensated** · saga, durable · ${gid}`,
      '',
      'Cause: `c` **Refused**: c is refused',
      '',
      '| # | branch | operation | state | then | note |',
      '| --- | --- | --- | --- | --- | --- |',
      '| 1 | a | letters.a | succeeded | compensation done | do a |',
      '| 2 | b | letters.b | succeeded | compensation done | b |',
      '| 3 | c | letters.c | rejected |  | Refused: c is refused |',
    ]);
  });

  it('writes a summary beside each activity and the deadline in the history', async () => {
    const { gid } = await world.run('steps', { b: refuse }, { deadline: '1 hour' });
    const summaries = (await world.events(gid)).flatMap(({ userMetadata }) =>
      userMetadata?.summary ? [decode(userMetadata.summary)] : [],
    );
    assert.deepEqual(summaries.toSorted(), ['b', 'deadline', 'do a', 'undo: do a']);
  });

  it('writes its state to the search attributes when it changes, and only then', async () => {
    const committed = await world.run('whole', { f: [fail, fail, succeed] });
    const running = { TxScheme: 'saga', TxState: 'running' };
    assert.deepEqual(await upserts(committed.gid), [running, { TxState: 'committed' }]);
    const undone = await world.run('steps', { c: refuse });
    assert.deepEqual(await upserts(undone.gid), [running, { TxState: 'compensating' }, { TxState: 'compensated' }]);
    const nothing = await world.run('steps', { a: refuse });
    assert.deepEqual(await upserts(nothing.gid), [running, { TxState: 'compensated' }]);
    const failed = await world.leave(await world.start('whole', { f: refuse }), ['f']);
    const [first, stuck, ...rest] = await upserts(failed.gid);
    assert.deepEqual(first, running);
    assert.deepEqual([stuck?.TxState, stuck?.TxBranch], ['stuck', ['f']]);
    assert.ok(Date.parse(String(stuck?.TxStuckSince)) > 0);
    assert.deepEqual(rest, [{ TxState: 'running', TxStuckSince: null, TxBranch: null }, { TxState: 'failed' }]);
  });

  describe('started with its scheme, as clients do', () => {
    const start = (name: 'steps' | 'whole', script: Script = {}) =>
      world.start(name, script, {}, { typedSearchAttributes: initialAttributes('saga') });

    it('writes no state while it runs and when it commits: the status of its run says that', async () => {
      const handle = await start('steps');
      await world.end(handle);
      assert.deepEqual(await upserts(handle.workflowId), []);
      const { typedSearchAttributes } = await handle.describe();
      assert.equal(typedSearchAttributes.get(TX_STATE), undefined);
    });

    it('writes what the status does not say: that it is undone', async () => {
      const { gid } = await world.end(await start('steps', { c: refuse }));
      assert.deepEqual(await upserts(gid), [{ TxState: 'compensating' }, { TxState: 'compensated' }]);
    });

    it('writes each state from the first that it had to write', async () => {
      const { gid } = await world.end(await start('steps', { a: refuse }));
      assert.deepEqual(await upserts(gid), [{ TxState: 'compensated' }]);
      const handle = await start('whole', { f: refuse });
      await world.stuck(handle);
      await world.decide(handle, { branch: 'f', action: 'resolve', result: 'by hand' });
      await world.end(handle);
      const [stuck, running, ...rest] = await upserts(handle.workflowId);
      assert.deepEqual([stuck?.TxState, running?.TxState, ...rest], ['stuck', 'running', { TxState: 'committed' }]);
    });
  });

  describe('who ask for its decision', () => {
    const decide = (handle: WorkflowHandle) => handle.executeUpdate<Decision, []>(DECISION_UPDATE);

    it('get it when it is undone, before the undo is done', async () => {
      const held = gate();
      const handle = await world.start('steps', { c: refuse, 'undo b': held.behaviour });
      const decision = await decide(handle);
      assert.equal(decision.state, 'compensating');
      assert.equal(decision.report?.cause.step, 'c');
      held.open();
      assert.equal((await world.end(handle)).report?.state, 'compensated');
    });

    it('get it when it is committed, in both lanes', async () => {
      for (const lane of ['durable', 'lean'] as const) {
        const held = gate();
        const handle = await world.start('steps', { c: held.behaviour }, { lane });
        const decision = decide(handle);
        await held.reached;
        held.open();
        assert.deepEqual(await decision, { state: 'committed' });
        assert.equal((await world.end(handle)).failure, undefined);
      }
    });

    it('may ask as they start it', async () => {
      const workflowId = `steps-${randomUUID()}`;
      world.letters.scripts.set(workflowId, { c: refuse });
      const startWorkflowOperation = new WithStartWorkflowOperation('steps', {
        taskQueue: world.taskQueue,
        workflowId,
        workflowIdConflictPolicy: 'FAIL',
      });
      const { state } = await world.environment.client.workflow.executeUpdateWithStart<
        () => Promise<unknown>,
        Decision,
        []
      >(DECISION_UPDATE, { startWorkflowOperation });
      assert.equal(state, 'compensating');
    });
  });

  describe('in its history', () => {
    it('has no activities but the undo, in the lean lane', async () => {
      const done = await world.run('whole', {}, { lane: 'lean' });
      assert.deepEqual(await world.scheduled(done.gid), []);
      const undone = await world.run('whole', { turn: refuse }, { lane: 'lean' });
      assert.deepEqual(await world.scheduled(undone.gid), [
        'letters.c.compensation',
        'letters.b.compensation',
        'letters.a.compensation',
      ]);
    });

    it('has a pivot as an activity after three attempts, in the lean lane: a local one would keep its task open', async () => {
      const { gid, made } = await world.run('whole', { turn: [fail, fail, fail, succeed] }, { lane: 'lean' });
      assert.deepEqual(await world.scheduled(gid), ['letters.turn.action']);
      assert.deepEqual(made.slice(0, 10), ['a', 'b', 'c', ...Array.from({ length: 7 }, () => 'turn')]);
    });

    it('has a long step as an activity, in the lean lane', async () => {
      const { gid } = await world.run('longStep');
      assert.deepEqual(await world.scheduled(gid), ['letters.b.action']);
    });
  });

  it('waits for a mended worker when a participant is missing: the task fails, not the transaction', async () => {
    const taskQueue = 'mended';
    const stop = await world.startWorker(taskQueue);
    // A task that was given to the worker as it stopped is lost, and soon given to the next.
    const handle = await world.start('unregistered', {}, {}, { taskQueue, workflowTaskTimeout: '1 second' });
    const failed = async () =>
      (await world.events(handle.workflowId)).find((event) => event.workflowTaskFailedEventAttributes);
    while (!(await failed())) await sleep(20);
    const failure = (await failed())?.workflowTaskFailedEventAttributes?.failure;
    assert.match(failure?.message ?? '', /later\.a\.action.*not registered/);
    assert.deepEqual(await upserts(handle.workflowId), []);
    await stop();
    await world.startWorker(taskQueue, { 'later.a.action': () => 'did x at last' });
    const { result } = await world.end(handle);
    assert.deepEqual(result, ['did a', 'did x at last']);
  });
});
