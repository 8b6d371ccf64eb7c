import assert from 'node:assert/strict';
import { participantActivities } from '../../../src/kit/worker/index.js';
import type { Operation } from '../../../src/kit/workflow/index.js';
import { Stage } from '../database/support/stage.js';
import { counter, holdsLocal } from './support/counter.js';
import { fail, finish, gate, hang, inTurn, refuse, slow, succeed, suspend } from './support/letters.js';
import { SagaWorld } from './support/saga-world.js';

/** What a local activity does not bring to an end goes on as an ordinary one. */
describe('a step of the lean lane', function () {
  this.timeout(60_000);
  let world: SagaWorld;
  before(async () => {
    world = await SagaWorld.open();
  });
  after(() => world.close());

  const lean = { lane: 'lean' } as const;
  const timeouts = (gid: string, step: string) =>
    world.letters
      .of(gid)
      .filter(({ name }) => name === step)
      .map(({ operation }) => operation.timeoutMs);

  it('that is slow succeeds as an ordinary activity, with its own timeout, and those after it are local again', async () => {
    const { gid, result, made } = await world.run('leanSteps', { b: slow });
    assert.deepEqual(result, ['did a', 'did b', 'did c']);
    assert.deepEqual(made, ['a', 'b', 'b', 'c']);
    assert.deepEqual(await world.scheduled(gid), ['letters.b.action']);
    assert.equal(timeouts(gid, 'b')[1], 60_000);
  });

  it('that was slow is undone with its result', async () => {
    const { gid, report } = await world.run('leanSteps', { b: slow, c: refuse });
    assert.deepEqual(report?.undone, ['b', 'a']);
    assert.deepEqual(await world.scheduled(gid), [
      'letters.b.action',
      'letters.b.compensation',
      'letters.a.compensation',
    ]);
    const undo = world.letters.of(gid).find(({ name }) => name === 'undo b');
    assert.deepEqual(undo?.args, ['b', 'did b']);
    assert.equal(undo.operation.succeeded, true);
  });

  it('that is rejected after it was slow is not undone', async () => {
    const { report, made } = await world.run('leanSteps', { b: inTurn(hang, refuse) });
    assert.deepEqual(made, ['a', 'b', 'b', 'undo a']);
    assert.equal(report?.cause.knowledge, 'rejected');
  });

  it('that is slow side by side with others has its own result', async () => {
    const { result, gid } = await world.run('besides', { b: slow }, lean);
    assert.deepEqual(result, { b: 'did b', c: 'did c', d: 'did d' });
    assert.deepEqual(await world.scheduled(gid), ['letters.b.action']);
  });

  it('that fails has one quick retry, and those that are left as an ordinary activity', async () => {
    const { gid, result, made } = await world.run('steps', { b: inTurn(fail, fail, fail, succeed) }, lean);
    assert.deepEqual(result, ['did a', 'did b', 'did c']);
    assert.deepEqual(made, ['a', 'b', 'b', 'b', 'b', 'c']);
    assert.deepEqual(await world.scheduled(gid), ['letters.b.action']);
  });

  it('that fails late, as its guard has let it wait for less time than the step has, has all its attempts', async () => {
    const late = async (operation: Operation) => {
      await hang({ ...operation, timeoutMs: 600 });
      fail(operation);
    };
    const { result, made } = await world.run('steps', { b: inTurn(late, late, succeed) }, { ...lean, retries: 0 });
    assert.deepEqual(made, ['a', 'b', 'b', 'look at b', 'undo a']);
    assert.equal(result, undefined);
    const once = await world.run('steps', { b: inTurn(late, succeed) }, { ...lean, retries: 0 });
    assert.deepEqual(once.result, ['did a', 'did b', 'did c']);
  });

  it('that fails is asked no oftener than in the durable lane', async () => {
    for (const retries of [0, 1, 2, 3, 4]) {
      const { made, report } = await world.run('steps', { b: fail }, { ...lean, retries });
      assert.equal(made.filter((name) => name === 'b').length, retries + 1, `${retries} retries`);
      assert.equal(report?.cause.knowledge, 'unknown');
    }
  });

  it('that is cut short has an attempt of its whole time, though it has no retries', async () => {
    const { result, made } = await world.run('steps', { b: slow }, { ...lean, retries: 0 });
    assert.deepEqual(made, ['a', 'b', 'b', 'c']);
    assert.deepEqual(result, ['did a', 'did b', 'did c']);
  });

  it('whose own timeout is shorter than a local activity has had its attempt: what is left are its retries', async () => {
    const { gid, made, report } = await world.run('leanSteps', { c: hang });
    assert.deepEqual(made, ['a', 'b', 'c', 'c', 'look at c', 'undo b', 'undo a']);
    assert.deepEqual(report?.cause.type, 'Timeout');
    assert.ok(timeouts(gid, 'c').every((ms) => ms <= 300));
  });

  it('that the guard suspends is asked once', async () => {
    const { made } = await world.run('steps', { b: suspend }, lean);
    assert.deepEqual(made.filter((name) => name === 'b').length, 1);
  });

  it('is stopped by the deadline after it has moved, waited for, and undone', async () => {
    const { made, report } = await world.run('leanSteps', { b: hang }, { deadline: '5 seconds' });
    assert.equal(report?.cause.type, 'DeadlineExceeded');
    assert.deepEqual(made, ['a', 'b', 'b', 'look at b', 'undo a']);
  });

  it('that succeeds all the same as the deadline stops it is undone with its result', async () => {
    const { gid, made } = await world.run('leanSteps', { b: inTurn(hang, finish) }, { deadline: '5 seconds' });
    assert.deepEqual(made, ['a', 'b', 'b', 'look at c', 'undo b', 'undo a']);
    assert.deepEqual(world.letters.of(gid).find(({ name }) => name === 'undo b')?.args, ['b', 'did b all the same']);
  });

  it('that is slow and is cancelled meanwhile does not go on as another', async () => {
    const held = gate(hang);
    const handle = await world.start('leanSteps', { b: held.behaviour });
    await held.reached;
    await handle.cancel();
    held.open();
    const { made, report } = await world.end(handle);
    assert.equal(report?.cause.type, 'Cancelled');
    assert.deepEqual(made.slice(-2), ['look at b', 'undo a']);
    assert.ok(!made.includes('c'));
  });

  for (const step of ['turn', 'f'] as const) {
    it(`after which nothing is undone ('${step}') moves too when it is slow`, async () => {
      const { gid, failure, made } = await world.run('whole', { [step]: slow }, lean);
      assert.equal(failure, undefined);
      assert.equal(made.filter((name) => name === step).length, 2);
      assert.deepEqual(await world.scheduled(gid), [`letters.${step}.action`]);
    });
  }

  describe('with a database', () => {
    const stage = new Stage();

    for (const [at, what] of [
      ['committed', 'was applied, and its answer was lost'],
      ['worked', 'is in flight, and holds its transaction open'],
    ] as const) {
      it(`whose first attempt ${what}, is done once`, async () => {
        const taskQueue = `counter-${at}`;
        const held: Operation[] = [];
        const probe = holdsLocal(at, (operation) => held.push(operation));
        await world.startWorker(
          taskQueue,
          participantActivities({ counter: { ...counter(stage.db, probe) } }, { who: 'test' }),
        );
        const handle = await world.start('counts', {}, {}, { taskQueue });
        const { gid, result } = await world.end(handle);
        assert.deepEqual(result, { counted: 1 });
        assert.equal(held.length, 1, 'the local attempt was held');
        assert.deepEqual(await world.scheduled(gid), ['counter.count.action']);
        assert.equal(await stage.net(gid), 1);
        const applied = await stage.row(gid, 1);
        assert.equal(applied?.outcome, 'applied');
      });
    }
  });
});
