import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { fail, finish, gate, hang, refuse, succeed } from './support/letters.js';
import { processed, SagaWorld } from './support/saga-world.js';

describe('a saga that is stopped', () => {
  let world: SagaWorld;
  before(async () => {
    world = await SagaWorld.open();
  });
  after(() => world.close());

  const undoOf = (gid: string, step: string) => world.letters.of(gid).find(({ name }) => name === `undo ${step}`);

  describe('by its deadline', () => {
    it('cancels a running step, waits for it, and undoes it', async () => {
      const { gid, report, made } = await world.run('steps', { b: hang }, { deadline: 300 });
      assert.deepEqual(made, ['a', 'b', 'undo b', 'undo a']);
      assert.deepEqual(report?.cause, { type: 'DeadlineExceeded', message: 'not past its pivot within 300 ms' });
      assert.equal(report.state, 'compensated');
      assert.ok(world.letters.ended.indexOf(`${gid} b`) < world.letters.ended.indexOf(`${gid} undo b`));
      assert.equal(undoOf(gid, 'b')?.args[1] ?? undefined, undefined);
    });

    it('undoes a step that succeeded all the same, with its result, and begins no other', async () => {
      const { gid, report, made } = await world.run('steps', { b: finish }, { deadline: 300 });
      assert.deepEqual(made, ['a', 'b', 'undo b', 'undo a']);
      assert.equal(report?.cause.type, 'DeadlineExceeded');
      assert.deepEqual(undoOf(gid, 'b')?.args, ['b', 'did b all the same']);
    });

    it('undoes a step that waits for its next attempt', async () => {
      const { report, made } = await world.run('steps', { b: fail }, { deadline: '10 seconds', retries: 1_000 });
      assert.equal(report?.cause.type, 'DeadlineExceeded');
      assert.deepEqual(made.slice(-2), ['undo b', 'undo a']);
      assert.ok(!made.includes('c'));
    });

    it('bars its first step, and does nothing else, when no worker came before it', async () => {
      const handle = await world.start('steps', {}, { deadline: 1 }, { taskQueue: 'late' });
      const { startTime } = await handle.describe();
      while ((await world.environment.currentTimeMs()) <= startTime.getTime() + 1) await sleep(1);
      await world.startWorker('late');
      const { report, made } = await world.end(handle);
      // Another driver of the same gid, if there were one, would be met there.
      assert.deepEqual(made, ['look at a']);
      assert.equal(report?.cause.type, 'DeadlineExceeded');
      assert.equal(report.state, 'compensated');
    });

    it('goes on when the pivot was scheduled before', async () => {
      const { failure, made } = await world.run(
        'whole',
        { turn: [fail, fail, fail, fail, fail, succeed] },
        { deadline: '2 seconds' },
      );
      assert.equal(failure, undefined);
      assert.deepEqual(made.slice(-2).sort(), ['f', 'g']);
    });

    it('is undone when the pivot that was under way is rejected then', async () => {
      const { report } = await world.run(
        'whole',
        { turn: [fail, fail, fail, fail, fail, refuse] },
        { deadline: '2 seconds' },
      );
      assert.equal(report?.cause.type, 'DeadlineExceeded');
      assert.deepEqual(report.undone, ['c', 'b', 'a']);
    });

    it('cancels branches side by side, and undoes them all', async () => {
      const { report } = await world.run('besides', { b: hang, c: hang }, { deadline: 300 });
      assert.equal(report?.cause.type, 'DeadlineExceeded');
      assert.deepEqual(report.undone, ['c', 'b', 'a']);
    });

    it('ends a local step with it, in the lean lane', async () => {
      const { report, made } = await world.run('steps', { b: hang }, { deadline: 300, lane: 'lean' });
      assert.deepEqual(made, ['a', 'b', 'look at b', 'undo a']);
      assert.equal(report?.cause.type, 'DeadlineExceeded');
    });

    it('begins no further attempt of a local step that waits for its next one, in the lean lane', async () => {
      const options = { deadline: 1_000, lane: 'lean', retries: 1_000 } as const;
      const { report, made } = await world.run('steps', { b: fail }, options);
      assert.equal(report?.cause.type, 'DeadlineExceeded');
      assert.deepEqual(made.slice(-2), ['look at b', 'undo a']);
    });

    it('is silent when it passes after the end of the steps', async () => {
      const { result } = await world.run('steps', {}, { deadline: '1 hour' });
      assert.deepEqual(result, ['did a', 'did b', 'did c']);
    });
  });

  describe('by its caller', () => {
    const cancelled = { type: 'Cancelled', message: 'the transaction was cancelled by a request' };

    it('cancels a running step, waits for it, and undoes it', async () => {
      const held = gate(hang);
      const handle = await world.start('steps', { b: held.behaviour });
      await held.reached;
      await handle.cancel();
      held.open();
      const { report, made, failure } = await world.end(handle);
      assert.deepEqual(made, ['a', 'b', 'undo b', 'undo a']);
      assert.deepEqual(report?.cause, cancelled);
      assert.equal(failure?.type, 'TransactionCompensated');
    });

    it('completes an undo that is under way', async () => {
      const held = gate();
      const handle = await world.start('steps', { c: refuse, 'undo b': held.behaviour });
      await held.reached;
      await handle.cancel();
      await processed(handle);
      held.open();
      const { report, made } = await world.end(handle);
      assert.deepEqual(made, ['a', 'b', 'c', 'undo b', 'undo a']);
      assert.equal(report?.cause.step, 'c');
      assert.deepEqual(report.undone, ['b', 'a']);
    });

    it('goes on when the pivot is under way, and completes what follows it', async () => {
      const held = gate();
      const handle = await world.start('whole', { turn: held.behaviour });
      await held.reached;
      await handle.cancel();
      await processed(handle);
      held.open();
      const { result } = await world.end(handle);
      assert.deepEqual(result, ['did a', 'did b', 'did c', 'did turn', 'did f', 'did g']);
    });

    it('is undone when the pivot that was under way is rejected then', async () => {
      const held = gate(refuse);
      const handle = await world.start('whole', { turn: held.behaviour });
      await held.reached;
      await handle.cancel();
      await processed(handle);
      held.open();
      const { report } = await world.end(handle);
      assert.deepEqual(report?.cause, cancelled);
      assert.deepEqual(report.undone, ['c', 'b', 'a']);
    });

    for (const lane of ['durable', 'lean'] as const) {
      it(`has no effect when it is cancelled before it began, in the ${lane} lane`, async () => {
        const queue = `cancelled-${lane}`;
        const handle = await world.start('steps', {}, { lane }, { taskQueue: queue });
        await handle.cancel();
        await world.startWorker(queue);
        const { report, made, failure } = await world.end(handle);
        assert.ok(!made.includes('b'), made.join(', '));
        assert.equal(made.includes('a'), made.includes('undo a') && made.indexOf('a') < made.indexOf('undo a'));
        assert.deepEqual(report?.cause, cancelled);
        assert.equal(failure?.type, 'TransactionCompensated');
      });
    }

    it('hears of it in the lean lane when the workflow task is renewed, and undoes the running step', async () => {
      const held = gate(hang);
      const handle = await world.start('steps', { b: held.behaviour }, { lane: 'lean' });
      await held.reached;
      await handle.cancel();
      held.open();
      const { report, made } = await world.end(handle);
      assert.deepEqual(report?.cause, cancelled);
      assert.deepEqual(made.slice(-2), ['look at b', 'undo a']);
      assert.ok(!made.includes('c'));
    });
  });

  it('undoes a step whose worker is lost', async () => {
    const { gid, report } = await world.run('silent');
    assert.deepEqual(report?.cause, {
      step: 'x',
      knowledge: 'unknown',
      type: 'Timeout',
      message: 'no answer in time (HEARTBEAT)',
    });
    assert.deepEqual(report.undone, ['x', 'a']);
    assert.deepEqual(await world.scheduled(gid), [
      'letters.a.action',
      'silent.a.action',
      'silent.a.compensation',
      'letters.a.compensation',
    ]);
  });

  it('is not stopped by a slow step: what runs longer than the heartbeat timeout is kept alive', async () => {
    const slow = async () => {
      await sleep(5_500);
      return 'did b slowly';
    };
    const { result, made } = await world.run('steps', { b: slow });
    assert.deepEqual(result, ['did a', 'did b slowly', 'did c']);
    assert.deepEqual(made, ['a', 'b', 'c']);
  });

  describe('beside a branch that fails', () => {
    it('is cancelled, waited for and undone; the failure is the cause', async () => {
      const { gid, report } = await world.run('besides', { b: refuse, c: hang });
      assert.deepEqual(report?.cause, {
        step: 'b',
        knowledge: 'rejected',
        type: 'Refused',
        message: 'b is refused',
      });
      assert.deepEqual(report.undone, ['c', 'a']);
      assert.ok(world.letters.ended.indexOf(`${gid} c`) < world.letters.ended.indexOf(`${gid} undo c`));
    });

    it('does not begin its next step', async () => {
      const { made, report } = await world.run('besides', { b: refuse, c: finish });
      assert.ok(!made.includes('d'));
      assert.deepEqual(report?.undone, ['c', 'a']);
      assert.equal(report.cause.step, 'b');
    });
  });
});
