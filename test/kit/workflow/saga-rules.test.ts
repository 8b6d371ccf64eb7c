import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { TransactionState } from '../../../src/kit/workflow/branch.js';
import type { DeskAction, DeskDecision, DeskOrder } from '../../../src/kit/workflow/desk.js';
import type { OperationRef, Undoable } from '../../../src/kit/workflow/participant.js';
import type { SagaBody, Settle } from '../../../src/kit/workflow/saga/definition.js';
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
  const { stopAt, timer, undo, retries } = plan;
  const world = new World(scripts, stopAt);
  const run = new SagaRun<void, string>(world, { undo, retries });
  if (stopAt !== undefined) {
    world.at(stopAt + timer, () => {
      run.stop('DeadlineExceeded');
      world.scope.cancel();
    });
  }
  employ(world, run, [...plan.decisions]);
  const ending = begin(run, body);
  await world.settle();
  return { world, run, outcome: ending() };
}

/** @returns how it ended, once everything has happened */
function begin(run: SagaRun<void, string>, body: SagaBody<void, string>): () => SagaOutcome<string> {
  let outcome: SagaOutcome<string> | undefined;
  void run.execute(body, undefined).then((ended) => (outcome = ended));
  return () => {
    assert.ok(outcome, 'the run ends');
    return outcome;
  };
}

/** Has somebody decide what waits at the desk: as given, as far as it fits; after that everything is fixed outside. */
function employ(world: World, run: SagaRun<void, string>, decisions: DeskAction[], made: DeskDecision[] = []): void {
  world.person = ({ branch }) => {
    world.at(3, () => {
      const open = run.desk.cases.find((each) => each.branch === branch);
      if (open === undefined || world.ended) return; // The transaction took another way, or nobody hears of it.
      const wanted = decisions.shift() ?? 'resolve';
      const action = open.fits.includes(wanted) ? wanted : 'retry';
      const order: DeskOrder = { branch, action, actor: 'somebody', reason: 'a test' };
      if (action === 'resolve') world.mend(branch, open.op === 'action' ? 'applied' : 'undone');
      const result = action === 'resolve' && open.op === 'action' ? { result: `result of ${branch}` } : {};
      assert.equal(run.desk.wrong({ ...order, ...result }), undefined);
      made.push({ ...run.desk.decide({ ...order, ...result }), ...result });
    });
  };
}

const wasForced = (run: SagaRun<void, string>) => run.desk.notes.some(({ action }) => action === 'forward');

/** Who forces a transaction forward answers for undos that are still on their way: the guard, which is none of this model, ends them in time. */
function hasLateUndo({ nodes }: Plan): boolean {
  return JSON.stringify(nodes).includes('"late"');
}

/** Every effect once, or none, or all that is left is named. */
function assertWhole({ world, run, outcome }: Ended, settled = false): void {
  for (const step of world.effects.keys()) assert.ok([0, 1].includes(world.net(step)), `${step} is there once, or not`);
  const happened = [...world.effects.keys()].filter((step) => world.net(step) === 1);
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
    for (const step of happened) {
      // A run that settles, and was told to skip a step, never hears of what came after that.
      if (!settled || !step.startsWith('forward')) assert.ok(named.includes(step), `${step} is named`);
    }
    assert.ok(run.ledger.pivoted || run.desk.notes.some(({ action }) => action === 'skip'), 'a person left it so');
  }
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

  it('has every effect once, or none, or names what a person left', () =>
    always((ended, plan) => {
      if (wasForced(ended.run) && hasLateUndo(plan)) return;
      assertWhole(ended);
    }));

  it('asks each branch that happened or may have happened to undo, newest first, and no other', () =>
    always(({ world, run }, { undo }) => {
      if (wasForced(run)) return;
      const asked = [...new Set(world.asked.filter(({ op }) => op === 'compensation').map(({ step }) => step))];
      const ran = world.asked.filter(({ op, step }) => op === 'action' && !/^(pivot|forward)/.test(step));
      const expected = ran.filter(({ answer }) => answer !== 'rejected').map(({ step }) => step);
      if (asked.length > 0 || run.state === 'compensated') assert.deepEqual(asked, expected.toReversed());
      if (undo === 'strict') assert.deepEqual(inOrderOf(asked, run.report?.undone ?? []), run.report?.undone ?? []);
    }));

  it('gives an undo the input, and the result of what is known to have happened, and of nothing else', () =>
    always(({ world, run }) => {
      if (wasForced(run)) return;
      for (const { step, args } of world.asked.filter(({ op }) => op === 'compensation')) {
        const action = world.asked.find(({ op, step: acted }) => op === 'action' && acted === step);
        const result = action?.answer === 'succeeded' ? `result of ${step}` : undefined;
        assert.deepEqual(args, [`input of ${step}`, result]);
      }
    }));

  it('undoes nothing while a step runs, and begins no step after it was decided', () =>
    always(({ world, run }) => {
      if (wasForced(run)) return;
      const first = world.asked.findIndex(({ op }) => op === 'compensation');
      if (first < 0) return;
      for (const { op, inFlight } of world.asked.slice(first))
        assert.deepEqual({ op, inFlight }, { op: 'compensation', inFlight: 0 });
    }));

  it('goes only forward from a pivot that was scheduled and not rejected', () =>
    always(({ world, run }) => {
      if (!run.ledger.pivoted || wasForced(run)) return;
      assert.ok(world.asked.every(({ op }) => op !== 'compensation'));
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
      const legal: Partial<Record<TransactionState, string>> = {
        running: 'stuck compensating committed compensated failed',
        stuck: 'running compensating',
        compensating: 'stuck compensated failed running',
      };
      let at: TransactionState = 'running';
      for (const state of world.states) {
        assert.ok(state === at || legal[at]?.split(' ').includes(state), world.states.join(' '));
        at = state;
      }
    }));

  it('reports the first error as the cause: never a cancellation that followed from it', () =>
    always(({ run, outcome }, { stopAt }) => {
      if (outcome.committed) return;
      assert.ok(run.report);
      if (stopAt === undefined && !wasForced(run)) assert.notEqual(run.report.cause.type, 'Cancelled');
    }));
});

/** What was slow may be fast in another run: branches side by side end in another order. */
const paces = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 5 });

/** When somebody cancels a run that settles. */
const cancels = fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined });

describe('a saga whose run is ended from outside, at any moment', function () {
  this.timeout(60_000);

  it('is settled by another run, or a third: every effect once, or none, or all that is left is named', () =>
    fc.assert(
      fc.asyncProperty(
        plans,
        fc.array(fc.nat(40), { minLength: 1, maxLength: 2 }),
        paces,
        cancels,
        async (plan, lives, pace, cancelAt) => {
          const { body, scripts } = bodyOf(plan);
          const { undo, retries, decisions } = plan;
          let world = new World(scripts);
          let undoing = false;
          const left = [...decisions];
          const made: DeskDecision[] = [];
          let before = 0;
          let run = new SagaRun<void, string>(world, { undo, retries });
          employ(world, run, left, made);
          let ending = begin(run, body);
          for (const life of lives) {
            await world.settle(world.now() + life);
            if (isFinal(run.state)) break;
            // Whoever forced it forward gave up the undo.
            const forced = made.slice(before).some(({ action }) => action === 'forward');
            const undid = world.asked.some(({ op }) => op === 'compensation');
            undoing = run.state === 'compensating' || (!forced && (undid || undoing));
            before = made.length;
            world = world.successor(undefined, pace);
            const settle: Settle = {
              failedAt: 0,
              reason: 'a test',
              decisions: [...made],
              ...(undoing && { undo: true }),
            };
            run = new SagaRun<void, string>(world, { undo, retries, settle });
            employ(world, run, left, made);
            ending = begin(run, body);
            const settling = run;
            const its = world;
            if (cancelAt !== undefined) {
              world.at(cancelAt, () => {
                settling.stop('Cancelled');
                its.scope.cancel();
              });
            }
          }
          await world.settle();
          if (made.some(({ action }) => action === 'forward') && hasLateUndo(plan)) return;
          assertWhole({ world, run, outcome: ending() }, true);
        },
      ),
      { numRuns: 4_000 },
    ));
});

describe('a saga in the lean lane whose first task was lost, with all that it had done', function () {
  this.timeout(60_000);

  it('has every effect once, or none, or all that is left is named, whatever stops it then', () =>
    fc.assert(
      fc.asyncProperty(plans, fc.nat(40), paces, async (plan, life, pace) => {
        const { body, scripts } = bodyOf(plan);
        const { undo, retries, decisions, stopAt, timer } = plan;
        const lost = new World(scripts);
        lost.isAlone = false;
        const first = new SagaRun<void, string>(lost, { undo, retries, lane: 'lean' });
        begin(first, body);
        await lost.settle(life);
        // With an undo, a person or its end the task would have been on record.
        fc.pre(first.state === 'running' && lost.asked.every(({ op }) => op === 'action'));
        const world = lost.successor(stopAt === undefined ? undefined : lost.now() + stopAt, pace);
        world.isAlone = false;
        const run = new SagaRun<void, string>(world, { undo, retries, lane: 'lean' });
        if (stopAt !== undefined) {
          world.at(stopAt + timer, () => {
            run.stop('DeadlineExceeded');
            world.scope.cancel();
          });
        }
        employ(world, run, [...decisions]);
        const ending = begin(run, body);
        await world.settle();
        if (wasForced(run) && hasLateUndo(plan)) return;
        assertWhole({ world, run, outcome: ending() }, true);
      }),
      { numRuns: 4_000 },
    ));
});

function isFinal(state: TransactionState): boolean {
  return ['committed', 'compensated', 'failed'].includes(state);
}

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
