import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { TRANSACTION_QUERY, type TransactionView } from '../../../src/kit/workflow/index.js';
import { fail, gate, refuse, succeed, suspend } from './support/letters.js';
import { SagaWorld } from './support/saga-world.js';

const MINUTE = 60_000;

describe('the undo of a saga', () => {
  let world: SagaWorld;
  before(async () => {
    world = await SagaWorld.open();
  });
  after(() => world.close());

  /** How long an undo was tried, in milliseconds of the server's time. */
  async function triedFor(gid: string, name: string): Promise<number> {
    const events = await world.events(gid);
    const scheduled = events.find((event) => event.activityTaskScheduledEventAttributes?.activityType?.name === name);
    const ended = events.find(
      ({ activityTaskFailedEventAttributes: failed, activityTaskTimedOutEventAttributes: late }) =>
        (failed ?? late)?.scheduledEventId?.eq(scheduled?.eventId ?? 0),
    );
    assert.ok(scheduled && ended);
    const at = (event: typeof scheduled) =>
      Number(event.eventTime?.seconds) * 1_000 + (event.eventTime?.nanos ?? 0) / 1e6;
    return at(ended) - at(scheduled);
  }

  it('is tried for 30 minutes, then waits for a person; the others are undone all the same', async () => {
    const handle = await world.start('steps', { c: refuse, 'undo b': fail });
    const waiting = await world.stuck(handle);
    assert.deepEqual(waiting.report?.undone, ['a']);
    const { gid, failure, report, made } = await world.leave(handle, ['b']);
    assert.equal(failure?.type, 'TransactionFailed');
    assert.equal(report?.state, 'failed');
    assert.equal(report.cause.step, 'c');
    assert.deepEqual(report.undone, ['a']);
    assert.deepEqual(
      report.notUndone.map(({ step, type }) => ({ step, type })),
      [{ step: 'b', type: 'Skipped' }],
    );
    assert.match(
      failure.message,
      /c: Refused: c is refused; undone: a; NOT undone: b \(Skipped: left as it is by ann: a test\)/,
    );
    assert.equal(made.at(-1), 'undo a');
    const tried = await triedFor(gid, 'letters.b.compensation');
    assert.ok(tried > 29 * MINUTE && tried <= 30 * MINUTE, `${tried} ms`);
  });

  it('is tried for the time that the option says', async () => {
    const handle = await world.start('steps', { c: refuse, 'undo b': fail }, { compensationWindow: '5 minutes' });
    const { gid, report } = await world.leave(handle, ['b']);
    const tried = await triedFor(gid, 'letters.b.compensation');
    assert.ok(tried > 4 * MINUTE && tried <= 5 * MINUTE, `${tried} ms`);
    assert.deepEqual(report?.undone, ['a']);
  });

  it('has the window for itself, though one before it used up its own', async () => {
    const often = Array.from({ length: 20 }, () => fail);
    const handle = await world.start('steps', { c: refuse, 'undo b': fail, 'undo a': [...often, succeed] });
    const { report, made } = await world.leave(handle, ['b']);
    assert.deepEqual(report?.undone, ['a']);
    assert.equal(made.filter((name) => name === 'undo a').length, 21);
  });

  it('is asked again when no worker was there in all its window', async () => {
    const taskQueue = 'deserted';
    await world.startWorker(taskQueue, {}, { enableNonLocalActivities: false });
    const options = { lane: 'lean', compensationWindow: '1 second' } as const;
    const handle = await world.start('steps', { b: refuse }, options, { taskQueue });
    const undos = async () => (await world.scheduled(handle.workflowId)).length;
    while ((await undos()) < 2) await sleep(20);
    await world.startWorker(taskQueue, {}, { workflowBundle: undefined });
    const { report } = await world.end(handle);
    assert.equal(report?.state, 'compensated');
  });

  it('waits for a person at once when the guard suspends it', async () => {
    const handle = await world.start('steps', { c: refuse, 'undo b': suspend });
    const [waiting] = (await world.stuck(handle)).desk;
    assert.deepEqual(waiting?.failure, { type: 'Suspended', message: 'b is suspended' });
    const { report, made } = await world.leave(handle, ['b']);
    assert.equal(made.filter((name) => name === 'undo b').length, 1);
    assert.equal(report?.state, 'failed');
    assert.deepEqual(report.notUndone, [{ step: 'b', type: 'Skipped', message: 'left as it is by ann: a test' }]);
    assert.deepEqual(report.undone, ['a']);
  });

  it('is shown as it goes on', async () => {
    const held = gate();
    const handle = await world.start('steps', { c: refuse, 'undo a': held.behaviour });
    await held.reached;
    const { state, report } = await handle.query<TransactionView>(TRANSACTION_QUERY);
    assert.equal(state, 'compensating');
    assert.deepEqual(report?.undone, ['b']);
    assert.deepEqual(
      report.notUndone.map(({ step }) => step),
      ['a'],
    );
    held.open();
    await world.end(handle);
  });

  it('is retried until it succeeds', async () => {
    const often = Array.from({ length: 8 }, () => fail);
    const { report } = await world.run('steps', { c: refuse, 'undo a': [...often, succeed] });
    assert.equal(report?.state, 'compensated');
    assert.deepEqual(report.undone, ['b', 'a']);
  });

  it('asks all branches at once when it is parallel', async () => {
    const [a, b, c] = [gate(), gate(), gate()];
    const script = { turn: refuse, 'undo a': a.behaviour, 'undo b': b.behaviour, 'undo c': c.behaviour };
    const handle = await world.start('whole', script, { undo: 'parallel' });
    await Promise.all([a.reached, b.reached, c.reached]);
    // They end in another order than they began.
    for (const { open } of [b, c, a]) open();
    const { report } = await world.end(handle);
    assert.equal(report?.state, 'compensated');
    assert.deepEqual(report.undone.toSorted(), ['a', 'b', 'c']);
  });

  it('names what was not undone when it is parallel', async () => {
    const script = { turn: refuse, 'undo b': suspend };
    const handle = await world.start('whole', script, { undo: 'parallel' });
    const { report, failure } = await world.leave(handle, ['b']);
    assert.equal(failure?.type, 'TransactionFailed');
    assert.deepEqual(report?.undone.toSorted(), ['a', 'c']);
    assert.deepEqual(
      report.notUndone.map(({ step }) => step),
      ['b'],
    );
  });
});
