import assert from 'node:assert/strict';
import type { WorkflowHandle } from '@temporalio/client';
import type { Operation } from '../../../src/kit/workflow/index.js';
import { TX_BRANCH, TX_STATE, TX_STUCK_SINCE } from '../../../src/kit/workflow/index.js';
import { InputMismatch } from '../../../src/kit/database/index.js';
import { broken, fail, gate, refuse, succeed, suspend } from './support/letters.js';
import { refusal, SagaWorld } from './support/saga-world.js';

describe('the desk', () => {
  let world: SagaWorld;
  before(async () => {
    world = await SagaWorld.open();
  });
  after(() => world.close());

  const attributes = async (handle: WorkflowHandle) => {
    const { typedSearchAttributes } = await handle.describe();
    return {
      state: typedSearchAttributes.get(TX_STATE),
      branches: typedSearchAttributes.get(TX_BRANCH),
      since: typedSearchAttributes.get(TX_STUCK_SINCE)?.getTime(),
    };
  };

  describe('has an undo that keeps failing', () => {
    /** One whose undo would work now. */
    const mended = async () => {
      const b = broken();
      const script = { c: refuse, 'undo b': b.behaviour };
      const handle = await world.start('steps', script, { compensationWindow: '1 minute' });
      await world.stuck(handle);
      b.mend();
      return handle;
    };

    it('as a case that can be found and says all, with an alarm; while it waits nothing is done', async () => {
      const handle = await world.start('steps', { c: refuse, 'undo b': suspend });
      const { desk, state, branches } = await world.stuck(handle);
      assert.equal(state, 'stuck');
      const [waiting] = desk;
      assert.ok(waiting);
      const { since, ...rest } = waiting;
      assert.deepEqual(rest, {
        branch: 'b',
        op: 'compensation',
        operation: 'letters.b',
        summary: 'undo: b',
        takesInput: true,
        input: 'b',
        failure: { type: 'Suspended', message: 'b is suspended' },
        fits: ['retry', 'resolve', 'skip'],
      });
      assert.equal(branches.find(({ branch }) => branch === 'b')?.second?.state, 'parked');
      assert.deepEqual(await attributes(handle), { state: 'stuck', branches: ['b'], since });
      const [alarm] = world.alarms.filter(({ gid }) => gid === handle.workflowId);
      assert.equal(alarm?.kind, 'stuck');
      assert.equal(alarm.branch, 'b');
      assert.match(alarm.message, /compensation of branch 'b' waits for a person: Suspended: b is suspended/);

      const before = (await world.events(handle.workflowId)).length;
      await world.environment.sleep('30 days');
      assert.equal((await world.events(handle.workflowId)).length, before, 'not an event in 30 days');
      await world.leave(handle, ['b']);
    });

    it('asked again when a person says so, and undone then', async () => {
      const handle = await mended();
      const note = await world.decide(handle, { branch: 'b', action: 'retry', reason: 'repaired' });
      assert.deepEqual(
        { ...note, at: 0 },
        { branch: 'b', op: 'compensation', action: 'retry', actor: 'ann', reason: 'repaired', at: 0 },
      );
      const { report } = await world.end(handle);
      assert.equal(report?.state, 'compensated');
      assert.deepEqual(report.undone, ['a', 'b']);
      assert.deepEqual(await attributes(handle), { state: 'compensated', branches: undefined, since: undefined });
    });

    it('as a new case when it fails again', async () => {
      const handle = await world.start('steps', { c: refuse, 'undo b': suspend });
      const [first] = (await world.stuck(handle)).desk;
      await world.environment.sleep('1 hour');
      await world.decide(handle, { branch: 'b', action: 'retry' });
      const [second] = (await world.stuck(handle)).desk;
      assert.ok(first && second && second.since > first.since);
      await world.leave(handle, ['b']);
    });

    it('asked with another input when a person changes it, which is said to the participant', async () => {
      const handle = await mended();
      const note = await world.decide(handle, { branch: 'b', action: 'retry', input: 'another' });
      assert.equal(note.corrected, true);
      await world.end(handle);
      const last = world.letters.of(handle.workflowId).at(-1);
      assert.deepEqual([last?.name, last?.args], ['undo b', ['another', 'did b']]);
      assert.equal(last?.operation.corrected, true);
    });

    it('counted as undone when it was fixed outside', async () => {
      const handle = await world.start('steps', { c: refuse, 'undo b': suspend });
      await world.stuck(handle);
      await world.decide(handle, { branch: 'b', action: 'resolve' });
      const { report, failure } = await world.end(handle);
      assert.equal(failure?.type, 'TransactionCompensated');
      assert.deepEqual(report?.undone, ['a', 'b']);
    });

    it('named at the end, with who and why, when it is skipped', async () => {
      const handle = await world.start('steps', { c: refuse, 'undo b': suspend });
      const { report, failure } = await world.leave(handle, ['b']);
      assert.equal(failure?.type, 'TransactionFailed');
      assert.deepEqual(report?.notUndone, [{ step: 'b', type: 'Skipped', message: 'left as it is by ann: a test' }]);
    });

    it('and holds up the older ones when the order is strict', async () => {
      const script = { c: refuse, 'undo b': suspend };
      const handle = await world.start('steps', script, { undo: 'strict' });
      const { report, branches } = await world.stuck(handle);
      assert.deepEqual(report?.undone, []);
      assert.equal(branches.find(({ branch }) => branch === 'a')?.second, undefined);
      await world.decide(handle, { branch: 'b', action: 'resolve' });
      assert.deepEqual((await world.end(handle)).report?.undone, ['b', 'a']);
    });

    it('beside others that keep failing, each decided by itself', async () => {
      const handle = await world.start('whole', { turn: refuse, 'undo a': suspend, 'undo b': suspend });
      await world.stuck(handle, 2);
      assert.deepEqual((await attributes(handle)).branches, ['b', 'a']);
      await world.decide(handle, { branch: 'a', action: 'resolve' });
      assert.deepEqual((await attributes(handle)).branches, ['b']);
      await world.decide(handle, { branch: 'b', action: 'resolve' });
      assert.deepEqual((await world.end(handle)).report?.undone, ['c', 'a', 'b']);
    });
  });

  describe('refuses, and says what would fit,', () => {
    it('a decision about a branch that does not wait, or that makes no sense', async () => {
      const handle = await world.start('steps', { c: refuse, 'undo b': suspend });
      await world.stuck(handle);
      const refused = (order: Parameters<SagaWorld['decide']>[1]) => refusal(world.decide(handle, order));
      assert.match(
        await refused({ branch: 'a', action: 'retry' }),
        /'a' does not wait for a decision: what waits is b/,
      );
      assert.match(
        await refused({ branch: 'b', action: 'forward' }),
        /'forward' does not fit branch 'b', whose compensation waits: what fits is retry, resolve, skip/,
      );
      assert.match(
        await refused({ branch: 'b', action: 'drop' as never }),
        /'drop' is no decision: give one of retry,/,
      );
      assert.match(await refused({ branch: 'b', action: 'skip', reason: ' ' }), /a decision needs reason/);
      assert.match(await refused({ branch: 'b', action: 'skip', actor: '' }), /a decision needs actor/);
      assert.match(await refused({ branch: 'b', action: 'skip', input: 1 }), /an input goes with 'retry' only/);
      const accepted = (await world.events(handle.workflowId)).filter(
        (event) => event.workflowExecutionUpdateAcceptedEventAttributes,
      );
      assert.deepEqual(accepted, [], 'what is refused leaves nothing in the history');
      await world.leave(handle, ['b']);
    });

    it('the second of two operators: he hears who decided, what, and why', async () => {
      const b = gate();
      const handle = await world.start('steps', { c: refuse, 'undo b': [suspend] });
      await world.stuck(handle);
      world.letters.scripts.set(handle.workflowId, { 'undo b': b.behaviour });
      const both = await Promise.allSettled([
        world.decide(handle, { branch: 'b', action: 'retry', actor: 'ann', reason: 'one' }),
        world.decide(handle, { branch: 'b', action: 'resolve', actor: 'bob', reason: 'two' }),
      ]);
      const won = both.filter(({ status }) => status === 'fulfilled');
      assert.equal(won.length, 1);
      const [lost] = both.filter((each) => each.status === 'rejected');
      assert.match(
        await refusal(Promise.reject(lost?.reason as Error)),
        /'b' was decided before: (retry by ann|resolve by bob) at .* \((one|two)\); nothing waits/,
      );
      b.open();
      assert.equal((await world.end(handle)).report?.state, 'compensated');
    });
  });

  it('has a step that is settled and was done with another input: that proves that it was done', async () => {
    const another = (operation: Operation) => {
      throw new InputMismatch(operation);
    };
    const settle = { failedAt: await world.endedAt(), reason: 'a test' };
    const script = { 'look at a': succeed, 'look at b': another };
    const handle = await world.start('steps', script, { settle });
    const [waiting] = (await world.stuck(handle)).desk;
    assert.deepEqual([waiting?.op, waiting?.failure.type], ['action', 'InputMismatch']);
    await world.decide(handle, { branch: 'b', action: 'skip', reason: 'undo it' });
    const { report } = await world.end(handle);
    assert.deepEqual(report?.undone, ['b', 'a']);
  });

  describe('lets a person force a transaction forward', () => {
    it('while nothing was undone: the body runs again, and what had succeeded is only looked at', async () => {
      const b = broken();
      const script = { b: b.behaviour, 'undo b': suspend };
      const handle = await world.start('whole', script, { undo: 'strict' });
      const [waiting] = (await world.stuck(handle)).desk;
      assert.deepEqual(waiting?.fits, ['retry', 'resolve', 'skip', 'forward']);
      b.mend();
      await world.decide(handle, { branch: 'b', action: 'forward', reason: 'the service is back' });
      const { result, made } = await world.end(handle);
      assert.deepEqual(result, ['did a', 'did b', 'did c', 'did turn', 'did f', 'did g']);
      assert.equal(made.filter((name) => name === 'a').length, 1);
      assert.equal(made.filter((name) => name === 'turn').length, 1);
    });

    it('past its deadline too', async () => {
      const b = broken();
      const script = { b: b.behaviour, 'undo b': suspend };
      const handle = await world.start('steps', script, { undo: 'strict', deadline: '1 hour', retries: 100 });
      await world.stuck(handle);
      b.mend();
      await world.decide(handle, { branch: 'b', action: 'forward' });
      assert.deepEqual((await world.end(handle)).result, ['did a', 'did b', 'did c']);
    });

    it('which ends it when the undo had come first all the same: the body tries no other way then', async () => {
      const b = broken(suspend);
      const script = { b: b.behaviour, 'undo b': fail };
      const handle = await world.start('rejectedOnly', script, { undo: 'strict' });
      await world.stuck(handle);
      b.mend();
      await world.decide(handle, { branch: 'b', action: 'forward' });
      const { report, made } = await world.end(handle);
      assert.equal(report?.state, 'compensated');
      assert.equal(report.cause.type, 'Suspended');
      assert.ok(!made.includes('c'));
    });

    it('but not when a step was refused: that stays so', async () => {
      const handle = await world.start('steps', { c: refuse, 'undo b': suspend }, { undo: 'strict' });
      const [waiting] = (await world.stuck(handle)).desk;
      assert.deepEqual(waiting?.fits, ['retry', 'resolve', 'skip']);
      await world.leave(handle, ['b']);
    });
  });

  for (const lane of ['durable', 'lean'] as const) {
    describe(`has what cannot be undone (${lane})`, () => {
      it('when a step after the pivot keeps failing: it is asked again when a person says so', async () => {
        const f = broken();
        const handle = await world.start('whole', { f: f.behaviour }, { lane, forwardWindow: '10 minutes' });
        const { desk, branches } = await world.stuck(handle);
        assert.deepEqual(desk[0]?.fits, ['retry', 'resolve', 'skip']);
        assert.equal(branches.find(({ branch }) => branch === 'f')?.state, 'parked');
        f.mend();
        await world.decide(handle, { branch: 'f', action: 'retry' });
        assert.deepEqual((await world.end(handle)).result, ['did a', 'did b', 'did c', 'did turn', 'did f', 'did g']);
        assert.equal((await attributes(handle)).state, 'committed');
      });

      it('when a step after the pivot is refused: a retry has a name of its own, as the refusal stays', async () => {
        const f = broken();
        const handle = await world.start('whole', { f: refuse, 'f~2': f.behaviour }, { lane });
        await world.stuck(handle);
        f.mend();
        await world.decide(handle, { branch: 'f', action: 'retry', input: 'F' });
        const { result } = await world.end(handle);
        assert.deepEqual((result as string[])[4], 'did f~2');
        const last = world.letters.of(handle.workflowId).find(({ name }) => name === 'f~2');
        assert.deepEqual(last?.args, ['F']);
      });

      it('done outside: the body gets the result that the person gives', async () => {
        const handle = await world.start('whole', { f: refuse }, { lane });
        await world.stuck(handle);
        await world.decide(handle, { branch: 'f', action: 'resolve', result: 'by hand' });
        assert.deepEqual((await world.end(handle)).result, ['did a', 'did b', 'did c', 'did turn', 'by hand', 'did g']);
      });

      it('whose outcome is unknown: it takes no other input, which would hide what it may have done', async () => {
        const turn = broken();
        const handle = await world.start('slowTurn', { turn: turn.behaviour }, { lane, forwardWindow: '10 minutes' });
        const [waiting] = (await world.stuck(handle)).desk;
        assert.equal(waiting?.takesInput, false);
        const change = world.decide(handle, { branch: 'turn', action: 'retry', input: 'other' });
        assert.match(await refusal(change), /'turn' takes no other input while it is not known what became of/);
        const resolve = world.decide(handle, { branch: 'turn', action: 'resolve' });
        assert.match(await refusal(resolve), /'resolve' of action of 'turn' needs a result: .* null if nothing/);
        turn.mend();
        await world.decide(handle, { branch: 'turn', action: 'retry' });
        assert.deepEqual((await world.end(handle)).result, ['did a', 'did turn']);
        const { name, operation } = world.letters.of(handle.workflowId).at(-1) ?? assert.fail('nothing was called');
        assert.equal(name, 'turn');
        // An attempt has as long as before: in the lean lane, what is left of the local 3 s.
        if (lane === 'durable') assert.equal(operation.timeoutMs, 60_000);
        else assert.ok(operation.timeoutMs > 0 && operation.timeoutMs <= 3_000, `${operation.timeoutMs} ms`);
      });

      it('when the pivot keeps failing: nothing is undone meanwhile', async () => {
        const turn = broken();
        const handle = await world.start('whole', { turn: turn.behaviour }, { lane, forwardWindow: '10 minutes' });
        const { branches } = await world.stuck(handle);
        assert.ok(branches.every(({ second }) => second === undefined));
        turn.mend();
        await world.decide(handle, { branch: 'turn', action: 'retry' });
        assert.equal((await world.end(handle)).failure, undefined);
      });
    });
  }
});
