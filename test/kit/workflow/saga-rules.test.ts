import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { OperationRef, Undoable } from '../../../src/kit/workflow/participant.js';
import { SagaRun, type SagaOutcome } from '../../../src/kit/workflow/saga/run.js';
import { bodyOf, plans, type Plan } from './support/plan.js';
import { World, type Attempt, type Script } from './support/world.js';

interface Ended {
  readonly world: World;
  readonly run: SagaRun<void, string>;
  readonly outcome: SagaOutcome<string>;
}

async function execute(plan: Plan): Promise<Ended> {
  const { body, scripts } = bodyOf(plan);
  const world = new World(scripts, plan.stopAt);
  const run = new SagaRun<void, string>(world, { undo: plan.undo, retries: plan.retries });
  let outcome: SagaOutcome<string> | undefined;
  const { stopAt, timer } = plan;
  if (stopAt !== undefined) {
    world.at(stopAt + timer, () => {
      run.stop('DeadlineExceeded');
      world.scope.cancel();
    });
  }
  void run.execute(body, undefined).then((ended) => (outcome = ended));
  await world.settle();
  assert.ok(outcome, 'the run ends');
  return { world, run, outcome };
}

/** Those of `some` that are in `order`, as `some` has them. */
function inOrderOf(some: readonly string[], order: readonly string[]): string[] {
  return some.filter((each) => order.includes(each));
}

/** Holds `check` against thousands of random sagas. */
function always(check: (ended: Ended, plan: Plan) => void): Promise<void> {
  return fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      check(await execute(plan), plan);
    }),
    { numRuns: 2_000 },
  );
}

describe('any saga, whatever its steps meet', function () {
  this.timeout(60_000);

  it('has every effect once, or none, or names what is left', () =>
    always(({ world, run, outcome }) => {
      const happened = [...world.effects].filter(([, { state }]) => state === 'applied').map(([step]) => step);
      assert.ok([...world.effects.values()].every(({ times }) => times <= 1));
      if (outcome.committed) {
        assert.equal(run.state, 'committed');
        const succeeded = run.ledger.branches.filter(({ state }) => state === 'succeeded').map(({ step }) => step);
        assert.deepEqual(happened.sort(), succeeded.sort());
        assert.ok(run.ledger.branches.every(({ state }) => state === 'succeeded' || state === 'rejected'));
      } else if (run.state === 'compensated') {
        assert.deepEqual(happened, []);
        assert.deepEqual(run.report?.notUndone, []);
      } else {
        assert.equal(run.state, 'failed');
        const named = run.report?.notUndone.map(({ step }) => step) ?? [];
        for (const step of happened) assert.ok(named.includes(step), `${step} is named`);
      }
    }));

  it('asks each branch that happened or may have happened to undo, once, newest first, and no other', () =>
    always(({ world, run }, { undo }) => {
      const asked = world.asked.filter(({ op }) => op === 'compensation').map(({ step }) => step);
      const ran = world.asked.filter(({ op, step }) => op === 'action' && !/^(pivot|forward)/.test(step));
      const expected = ran.filter(({ answer }) => answer !== 'rejected').map(({ step }) => step);
      if (asked.length > 0 || run.state === 'compensated') assert.deepEqual(asked, expected.toReversed());
      if (undo === 'newest-first')
        assert.deepEqual(inOrderOf(asked, run.report?.undone ?? []), run.report?.undone ?? []);
    }));

  it('gives an undo the input, and the result of what is known to have happened, and of nothing else', () =>
    always(({ world }) => {
      for (const { step, args } of world.asked.filter(({ op }) => op === 'compensation')) {
        const action = world.asked.find(({ op, step: acted }) => op === 'action' && acted === step);
        const result = action?.answer === 'succeeded' ? `result of ${step}` : undefined;
        assert.deepEqual(args, [`input of ${step}`, result]);
      }
    }));

  it('undoes nothing while a step runs, and begins no step after it was decided', () =>
    always(({ world }) => {
      const first = world.asked.findIndex(({ op }) => op === 'compensation');
      if (first < 0) return;
      for (const { op, inFlight } of world.asked.slice(first))
        assert.deepEqual({ op, inFlight }, { op: 'compensation', inFlight: 0 });
    }));

  it('goes only forward from a pivot that was scheduled and not rejected', () =>
    always(({ world, run }) => {
      if (!run.ledger.pivoted) return;
      assert.ok(world.asked.every(({ op }) => op === 'action'));
      assert.ok(run.state === 'committed' || run.state === 'failed');
      // The deadline no longer matters.
      assert.notEqual(run.report?.cause.type, 'DeadlineExceeded');
    }));

  it('begins its pivot when nothing else runs', () =>
    always(({ world }) => {
      for (const { step, inFlight } of world.asked) if (step.startsWith('pivot')) assert.equal(inFlight, 0);
    }));

  it('goes forward only after its pivot has succeeded', () =>
    always(({ run }) => {
      const forward = run.ledger.branches.filter(({ kind }) => kind === 'forward');
      if (forward.length === 0) return;
      const { pivot } = run.ledger;
      assert.equal(pivot?.state, 'succeeded');
      assert.ok(forward.every(({ seq }) => seq > pivot.seq));
    }));

  it('changes its state only along the states that are written down', () =>
    always(({ world }) => {
      const path = world.states.join(' ');
      const known = ['committed', 'compensated', 'compensating compensated', 'compensating failed', 'failed'];
      assert.ok(known.includes(path), path);
    }));

  it('reports the first error as the cause: never a cancellation that followed from it', () =>
    always(({ run, outcome }, { stopAt }) => {
      if (outcome.committed) return;
      assert.ok(run.report);
      if (stopAt === undefined) assert.notEqual(run.report.cause.type, 'Cancelled');
    }));
});

describe('a saga whose driver meets a defect', () => {
  it('ends there and then with that error: nothing is decided, nothing more is begun, whatever the body does', async () => {
    const ok: Attempt = { meets: 'ok', takes: 1, later: 1 };
    const script: Script = { action: [ok], compensation: [ok], cancelled: 'finishes' };
    const world = new World(new Map([['a', script]]));
    const run = new SagaRun<void, void>(world, {});
    const operation: OperationRef<Undoable<string, string>> = { name: 'participant.operation' };
    const ended = run.execute(async (tx) => {
      await tx.run('a', operation, '');
      await tx.run('no-script', operation, '').catch(() => undefined);
      await tx.run('b', operation, '');
    }, undefined);
    const refused = assert.rejects(ended, /no script for no-script/);
    await world.settle();
    await refused;
    assert.deepEqual(
      world.asked.map(({ step }) => step),
      ['a', 'no-script'],
    );
    assert.deepEqual(world.states, []);
  });
});
