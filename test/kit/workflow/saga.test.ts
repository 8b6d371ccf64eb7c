import assert from 'node:assert/strict';
import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/common';
import type { Lane } from '../../../src/kit/workflow/index.js';
import { fail, hang, inTurn, refuse, succeed } from './support/letters.js';
import { SagaWorld } from './support/saga-world.js';

/** What each undo was told of its action: the input, and the result if there is one. */
function undoArgs(world: SagaWorld, gid: string): Record<string, readonly unknown[]> {
  return Object.fromEntries(
    world.letters
      .of(gid)
      .filter(({ name }) => name.startsWith('undo'))
      .map(({ name, args }) => [name, args]),
  );
}

describe('a saga', () => {
  let world: SagaWorld;
  before(async () => {
    world = await SagaWorld.open();
  });
  after(() => world.close());

  for (const lane of ['durable', 'lean'] as const satisfies readonly Lane[]) {
    describe(`in the ${lane} lane`, () => {
      it('commits when all steps succeed, one after the other, and those after the pivot side by side', async () => {
        const { result, made } = await world.run('whole', {}, { lane });
        assert.deepEqual(result, ['did a', 'did b', 'did c', 'did turn', 'did f', 'did g']);
        assert.deepEqual(made.slice(0, 4), ['a', 'b', 'c', 'turn']);
        assert.deepEqual(made.slice(4).sort(), ['f', 'g']);
      });

      it('tells a participant which operation of which branch it is asked for, and who asks', async () => {
        const { gid } = await world.run('steps', {}, { lane });
        const [first] = world.letters.of(gid);
        assert.ok(first);
        const { driver, signal, timeoutMs, ...operation } = first.operation;
        assert.match(driver, /^workflow:.+/);
        assert.equal(signal.aborted, false);
        assert.deepEqual(operation, {
          gid,
          branch: 'a',
          op: 'action',
          scheme: 'saga',
          seq: 1,
          function: 'letters.a.action',
          who: 'test',
          attempt: 1,
        });
        if (lane === 'durable') assert.equal(timeoutMs, 10_000);
        else assert.ok(timeoutMs > 0 && timeoutMs <= 3_000, `${timeoutMs} ms are left of its 3 s`);
      });

      for (const [rejected, undone] of [
        ['a', []],
        ['b', ['a']],
        ['c', ['b', 'a']],
        ['turn', ['c', 'b', 'a']],
      ] as const) {
        it(`undoes what came before ${rejected}, newest first, when ${rejected} is rejected, and asks it once`, async () => {
          const { gid, made, report, failure } = await world.run('whole', { [rejected]: refuse }, { lane });
          const before = ['a', 'b', 'c', 'turn'].slice(0, undone.length + 1);
          assert.deepEqual(made, [...before, ...undone.map((step) => `undo ${step}`)]);
          assert.deepEqual(report, {
            gid,
            scheme: 'saga',
            state: 'compensated',
            cause: { step: rejected, knowledge: 'rejected', type: 'Refused', message: `${rejected} is refused` },
            undone,
            notUndone: [],
          });
          assert.equal(failure?.type, 'TransactionCompensated');
        });
      }

      /** In the lean lane an unknown step is looked at, as a lost task may have done it: that bars it. */
      const ending = (step: string) => (lane === 'lean' ? `look at ${step}` : `undo ${step}`);

      it('gives each undo the input and the result of its action', async () => {
        const { gid } = await world.run('steps', { c: refuse }, { lane });
        assert.deepEqual(undoArgs(world, gid), { 'undo b': ['b', 'did b'], 'undo a': ['a', 'did a'] });
      });

      for (const step of ['a', 'b', 'c'] as const) {
        it(`undoes ${step} too when its outcome is unknown as every attempt failed, without a result`, async () => {
          const { gid, made, report } = await world.run('steps', { [step]: fail }, { lane, retries: 1 });
          const before = ['a', 'b', 'c'].slice(0, ['a', 'b', 'c'].indexOf(step) + 1);
          const undo = before.toReversed().map((each) => (each === step ? ending(each) : `undo ${each}`));
          assert.deepEqual(made, [...before, step, ...undo]);
          assert.equal(report?.state, 'compensated');
          assert.deepEqual(report.cause, {
            step,
            knowledge: 'unknown',
            type: 'Error',
            message: `${step} fails, attempt 2`,
          });
          assert.deepEqual(undoArgs(world, gid)[`undo ${step}`]?.[1] ?? undefined, undefined);
        });
      }

      it('undoes a step that answers too late', async () => {
        const { made, report, failure } = await world.run('withOptions', { c: hang }, { lane });
        assert.deepEqual(made.slice(0, 4), ['a', 'b', 'c', 'c']);
        assert.deepEqual(made.slice(4).sort(), [ending('c'), 'undo a', 'undo b'].sort());
        assert.equal(report?.cause.type, 'Timeout');
        assert.equal(report.cause.knowledge, 'unknown');
        assert.equal(report.state, 'compensated');
        assert.ok(failure?.cause instanceof ActivityFailure && failure.cause.cause instanceof TimeoutFailure);
      });

      it('retries a step three times by default', async () => {
        const { result, made } = await world.run('steps', { b: inTurn(fail, fail, fail, succeed) }, { lane });
        assert.deepEqual(result, ['did a', 'did b', 'did c']);
        assert.deepEqual(made, ['a', 'b', 'b', 'b', 'b', 'c']);
      });

      it("retries as the call's option says, and a step's own option counts more", async () => {
        const never = await world.run('steps', { b: [fail, succeed] }, { lane, retries: 0 });
        assert.deepEqual(never.made, ['a', 'b', ending('b'), 'undo a']);
        const own = await world.run('withOptions', { a: [fail, succeed], b: [fail, succeed] }, { lane });
        assert.deepEqual(own.made.slice(0, 3), ['a', 'a', 'b']);
        assert.deepEqual(own.report?.cause.step, 'b');
      });

      it('fails with the step, what was undone, and the activity as the cause', async () => {
        const { failure } = await world.run('steps', { c: refuse }, { lane });
        assert.ok(failure);
        assert.equal(failure.message, 'c: Refused: c is refused; undone: b, a');
        assert.equal(failure.nonRetryable, true);
        // A local activity's failure comes without the activity around it.
        const activity = failure.cause;
        if (lane === 'durable') assert.equal((activity as ActivityFailure).activityType, 'letters.c.action');
        const decided = lane === 'durable' ? activity?.cause : activity;
        assert.ok(decided instanceof ApplicationFailure);
        assert.equal(decided.type, 'Refused');
        assert.equal(decided.message, 'c is refused');
      });

      // Six are needed; the lean lane has three of its own before it asks as the durable one does.
      const attempts = lane === 'durable' ? 6 : 9;

      it('asks a pivot of unknown outcome again until it is definite', async () => {
        const often = Array.from({ length: 5 }, () => fail);
        const done = await world.run('whole', { turn: [...often, succeed] }, { lane });
        assert.equal(done.made.filter((name) => name === 'turn').length, attempts);
        assert.equal(done.failure, undefined);
        const refused = await world.run('whole', { turn: [...often, refuse] }, { lane });
        assert.deepEqual(refused.report?.undone, ['c', 'b', 'a']);
      });

      it('undoes nothing when a step after the pivot is rejected, and the other one still completes', async () => {
        const handle = await world.start('whole', { f: refuse, g: [fail, fail, succeed] }, { lane });
        const { made, report, failure } = await world.leave(handle, ['f']);
        assert.deepEqual(made.slice(0, 4), ['a', 'b', 'c', 'turn']);
        assert.deepEqual(made.slice(4).sort(), ['f', 'g', 'g', 'g']);
        assert.equal(failure?.type, 'TransactionFailed');
        assert.equal(report?.state, 'failed');
        assert.equal(report.cause.step, 'f');
        assert.deepEqual(report.undone, []);
        assert.deepEqual(
          report.notUndone.map(({ step }) => step),
          ['a', 'b', 'c', 'turn', 'g'],
        );
        assert.equal(
          failure.message,
          'f: Skipped: left as it is by ann: a test; kept, as nothing is undone after the pivot: a, b, c, turn, g',
        );
      });

      it('retries a step after the pivot for as long as it takes', async () => {
        const { made, failure } = await world.run(
          'whole',
          { f: [...Array.from({ length: 5 }, () => fail), succeed] },
          { lane },
        );
        assert.equal(failure, undefined);
        assert.equal(made.filter((name) => name === 'f').length, attempts);
      });

      describe('with branches side by side', () => {
        it('gives their results in order', async () => {
          const { result } = await world.run('besides', {}, { lane });
          assert.deepEqual(result, { b: 'did b', c: 'did c', d: 'did d' });
        });

        it('undoes all that happened when one is rejected', async () => {
          const { report, made } = await world.run('besides', { d: refuse }, { lane });
          assert.equal(report?.cause.step, 'd');
          assert.deepEqual(report.undone, ['c', 'b', 'a']);
          assert.deepEqual(made.slice(-3), ['undo c', 'undo b', 'undo a']);
        });
      });

      describe('whose body is odd', () => {
        it('commits when a rejected step is caught and another way works', async () => {
          const { result, made } = await world.run('rejectedOnly', { b: refuse }, { lane });
          assert.equal(result, 'instead of Refused: did c');
          assert.deepEqual(made, ['a', 'b', 'c']);
        });

        it('is undone though the body catches an unknown step: no other way is begun', async () => {
          const { report, made } = await world.run('otherWay', { b: fail }, { lane, retries: 0 });
          // The other way is looked at too: a lost task may have gone it.
          const looked = lane === 'lean' ? ['look at b', 'look at c'] : ['undo b'];
          assert.deepEqual(made, ['a', 'b', ...looked, 'undo a']);
          assert.equal(report?.cause.step, 'b');
          assert.equal(report.cause.knowledge, 'unknown');
        });

        it('waits for a step that the body does not wait for', async () => {
          const { result, made } = await world.run('careless', { b: [fail, succeed] }, { lane });
          assert.equal(result, 'did a');
          assert.deepEqual(made.toSorted(), ['a', 'b', 'b']);
        });

        it('is undone when a step that the body did not wait for is rejected after its end', async () => {
          const { report } = await world.run('careless', { b: inTurn(fail, fail, refuse) }, { lane });
          assert.equal(report?.cause.step, 'b');
          assert.deepEqual(report.undone, ['a']);
        });

        it('is undone when the body throws an error of its own: the transaction fails, not the workflow task', async () => {
          const { gid, report, failure, made } = await world.run('buggy', {}, { lane });
          assert.deepEqual(made, ['a', 'undo a']);
          assert.equal(report?.cause.type, 'TypeError');
          assert.equal(report.cause.step, undefined);
          assert.equal(failure?.type, 'TransactionCompensated');
          assert.ok(!(await world.events(gid)).some((event) => event.workflowTaskFailedEventAttributes));
        });
      });
    });
  }

  describe('that breaks the grammar', () => {
    it('is undone when a step name is used twice', async () => {
      const { report, made } = await world.run('twice');
      assert.deepEqual(made, ['a', 'b', 'undo b', 'undo a']);
      assert.equal(report?.cause.type, 'GrammarError');
      assert.match(report.cause.message, /step 'a' is used twice in twice-.*: name each step of a saga differently/);
    });

    it('is undone when it goes forward before a pivot', async () => {
      const { report, made } = await world.run('forwardFirst');
      assert.deepEqual(made, ['a', 'undo a']);
      assert.match(report?.cause.message ?? '', /step 'f' goes forward before a pivot has succeeded/);
    });

    it('is undone when the pivot begins while a step runs', async () => {
      const { report, made } = await world.run('pivotBeside');
      assert.ok(!made.includes('turn'));
      assert.match(
        report?.cause.message ?? '',
        /the pivot 'turn' begins within tx.parallel: await the branches, then the pivot/,
      );
      assert.deepEqual(report?.undone, ['a']);
    });

    it('fails and keeps what happened when a step with an undo comes after the pivot', async () => {
      const { gid, report, made, failure } = await world.run('stepAfterPivot');
      const [alarm] = world.alarms.filter((each) => each.gid === gid);
      assert.equal(alarm?.kind, 'failed');
      assert.match(alarm.message, /^ended neither completed nor undone: GrammarError: .*comes after the pivot/);
      assert.deepEqual(made, ['a', 'turn']);
      assert.equal(failure?.type, 'TransactionFailed');
      assert.match(report?.cause.message ?? '', /step 'b' comes after the pivot.*use tx\.forward/);
    });

    it('is undone when a step has an option that makes no sense', async () => {
      const { report, made } = await world.run('oddStep');
      assert.deepEqual(made, ['a', 'undo a']);
      assert.equal(
        report?.cause.message,
        "step 'b': option timeout is \"soon\": give milliseconds above 0, or a text such as '30 minutes'",
      );
    });

    it('is undone when JSON does not carry an input', async () => {
      const { report, made } = await world.run('bigInput');
      assert.deepEqual(made, ['a', 'undo a']);
      assert.match(report?.cause.message ?? '', /^step 'b': JSON does not carry its input: .*BigInt/);
    });

    it('is undone though the body hides it', async () => {
      const { report } = await world.run('hides');
      assert.equal(report?.cause.type, 'GrammarError');
      assert.deepEqual(report.undone, ['a']);
    });
  });

  it('with an option that makes no sense fails before anything happens', async () => {
    const { failure, made } = await world.run('steps', {}, { compensationWindow: '30 minuts' as never });
    assert.deepEqual(made, []);
    assert.equal(failure?.type, 'InvalidOptions');
    assert.match(failure.message, /^option compensationWindow is "30 minuts": give milliseconds above 0/);
  });

  it('gives each undo what its action had and gave, whatever the body did with the objects since', async () => {
    const { gid } = await world.run('careful', { b: refuse });
    const [undo] = world.letters.of(gid).filter(({ name }) => name === 'undo a');
    assert.deepEqual(undo?.args, [{ letter: 'a' }, { did: 'a' }]);
  });
});
