import { Databases } from './databases.js';
import { DirectCalls } from './direct.js';
import type { Model, Move } from './explore.js';
import type { Without } from './guards.js';
import { ending, unfinished, untrue } from './invariants.js';
import type { Add, Body } from './moves.js';
import { relayMoves } from './relay.js';
import { copy, keyOf, type Caller, type State } from './state.js';
import { begin, mayBegin } from './runs.js';
import { WorkflowRun } from './workflow.js';

/**
 * The direct lane's protocol, small enough to be explored completely.
 *
 * A *caller* (D1, D2) drives the saga in its own process. In the database of the step that is applied first, which is the
 * *home*, there are two rows: that step's guard row, with `driver` and `fate`, and the *announcement*, whose key is the gid,
 * with `owner` and `state` (running, undoing).
 *
 * Caller:
 * 1. One SQL transaction announces the transaction (owner = me), claims the first step's guard row and does the work. If
 *    either key is taken nothing of it commits, and the caller *follows*; but a rejection that is stored answers everybody
 *    alike. A first step that is refused leaves nothing; a second SQL transaction then stores the rejection, and what it
 *    finds stored counts. After that the body ends, or goes on to another step, which then announces.
 * 2. The steps after it are done one by one, each by its guard.
 * 3. Commit: the announcement is deleted where owner = me and state = running, and the fate is written with it.
 * 4. Undo: the announcement is set to undoing where owner = me and state = running. Then every applied step is undone, newest
 *    first; then the announcement is deleted where owner = me and state = undoing, and the fate is written with it.
 * 5. No row in 3 or 4: somebody else is the owner, and the caller follows.
 * 6. A reply that does not come decides nothing: the caller sets owner = workflow where owner = me, and starts the workflow.
 *    If that was the first step nothing may be announced yet, and the workflow is started at once.
 * 7. To follow is to wait for the fate, or for the workflow's outcome.
 *
 * Relay:
 * 1. It takes over, at any time, what a caller has announced: owner = workflow.
 * 2. It starts the workflow of what the workflow owns, unless one runs. If one ended, and had decided, the relay writes the
 *    fate from its outcome. If one ended that had *not* decided (it was refused before it began), or has not adopted what is
 *    announced (it ended before its first step), another is started.
 *
 * Workflow: there is one at a time, and no second one after one that decided.
 * 1. It *adopts*: one SQL transaction inserts the announcement (owner = workflow), or takes the one that is there; then, in a
 *    new statement, looks for a fate. Where there is one all is rolled back, and the workflow ends by it. If the input that
 *    was announced is not its own, all is rolled back too: it undoes what it has done, and ends, having decided nothing.
 * 2. Adopted running: it runs the body from the beginning, each step by its guard. All applied: that is the commit. One
 *    rejected: that is the undo.
 * 3. Adopted undoing: it looks at every step in order, up to the first that is not there, which it bars. Then it undoes.
 * 4. If it stops for another reason than a definite no (cancelled, deadline, no answer) it looks at every step in the same
 *    way before it undoes: a caller that was paused may have come further.
 * 5. At its end it *closes*: deletes the announcement where owner = workflow, and writes the fate with it, on the row of the
 *    step that announced, or else the first in that database. If it cannot, a relay does.
 *
 * A workflow that is started in the ordinary way, under a gid that a caller drives, *meets* that: in the SQL transaction of
 * an action or a look, also in the one that stores a rejection, it finds a row that a caller has written. With a fate: it
 * ends by that. Where the database has an announcement that this run has not adopted, *whoever owns it by now*: it adopts, and
 * begins anew. It is certain to have met who is there once it knows a step as its own. Until then it looks, as in 4, before
 * it undoes: else it would end while a caller goes on, or undo what is the caller's.
 *
 * What can go wrong, at any point, any number of times: a caller pauses or dies; its SQL transaction does not answer, and
 * arrives later or never; the work of a step succeeds in one attempt and is refused in another; attempts of the workflow's
 * activities arrive again and late; the workflow is cancelled; it cannot close; somebody takes over too early. SQL
 * transactions are atomic; that one waits for another on a key is what makes them so. Time does not matter: whatever a clock
 * could bring about may happen at once or never.
 *
 * Invariants:
 * - I1 Once it is known to anybody that it is committed, every step has its effect exactly once; that it is undone, none has.
 *   At rest no announcement is left, no effect is left without an end, and the fate is kept.
 * - I2 All that callers are told, the fate and the workflow's outcome are the same. Nobody follows for ever.
 * - I3 No action takes effect after its undo. Nothing is undone twice, nor what had no effect.
 * - I4 Only the owner decides, and there is one decision.
 * - It always comes to rest.
 *
 * The model's own words are in state.ts. What is there: databases.ts (SQL transactions), direct.ts (callers), relay.ts,
 * workflow.ts, invariants.ts. Each rule of guards.ts can be left out, to see what that breaks.
 */
export function protocol(instance: Instance, without: Without = new Set()): Model<State> {
  const databaseOf = instance.databaseOf ?? Array.from({ length: instance.steps }, (_, step) => step);
  const databases = new Databases(without, databaseOf);
  const direct = new DirectCalls(without, databases, instance);
  const workflow = new WorkflowRun(without, databases, instance);
  return {
    initial: initialOf(instance),
    key: keyOf,
    moves(state) {
      const moves: Move<State>[] = [];
      const add: Add = (name, change, certain = false) => {
        const to = copy(state);
        change(to);
        forget(to, without);
        if (instance.decisions === false) ignoreDecisions(to);
        moves.push({ name, certain, to });
      };
      state.calls.forEach((_, index) => {
        direct.moves(state, index, add);
      });
      if (mayBegin(state.workflow, without)) startOtherwise(instance, without, add);
      workflow.moves(state, add);
      relayMoves(state, add, databases, without);
      return moves;
    },
    broken: (state, atRest) =>
      state.wrong ??
      untrue(state, instance) ??
      (atRest ? unfinished(state, instance, (step) => direct.learned(state, step)) : undefined),
    kind: ending,
  };
}

/** What is explored. */
export interface Instance extends Body {
  /** Callers that drive the saga themselves, under one gid. */
  readonly callers: readonly Caller[];
  /** By step: its database. Default: each has its own. */
  readonly databaseOf?: readonly number[];
  /**
   * Somebody may start it in the ordinary way: with the same input, with another one, with one that has a first step of its own, so that it is refused at once, or so
   * that it ends, undone, before it comes to any step.
   */
  readonly ordinary?: 'same input' | 'other input' | 'other first step' | 'refused' | 'ended';
  /** Whether decisions are watched (I4). Default: yes; not, to see what else a wrong one breaks. */
  readonly decisions?: boolean;
}

function startOtherwise({ ordinary }: Instance, without: Without, add: Add): void {
  if (ordinary === undefined) return;
  add('somebody starts it as an ordinary workflow', (next) => {
    begin(next, without);
    next.workflow.foreign = ordinary === 'other input' || ordinary === 'other first step';
    if (ordinary === 'other first step' && next.workflow.own === 'none') next.workflow.at = 'own';
  });
  if (ordinary !== 'refused' && ordinary !== 'ended') return;
  add(`somebody starts it as a workflow that is ${ordinary} at once`, (next) => {
    const end = ordinary === 'ended' ? { outcome: 'undone', older: true } : { outcome: undefined, older: false };
    Object.assign(next.workflow, { at: 'ended', ...end });
  });
}

/** Attempts that were refused, where something is stored since: they would only find that. Fewer states for the same. */
function forget({ workflow, steps }: State, without: Without): void {
  if (without.has('rejection: what is stored before it counts')) return;
  if (without.has('workflow: adopts what it meets when it stores a rejection')) return;
  steps.forEach(({ row }, step) => {
    if (row !== undefined) workflow.refused &= ~(1 << step);
  });
}

function ignoreDecisions(state: State): void {
  state.decided = undefined;
  if (state.wrong?.startsWith('I4') === true) state.wrong = undefined;
}

function initialOf({ steps, callers }: Instance): State {
  return {
    steps: Array.from({ length: steps }, () => ({ row: undefined, effect: 'none' })),
    announcements: Array.from({ length: steps }, () => undefined),
    calls: callers.map((name) => {
      return { name, at: 'step', step: 0, home: undefined, late: undefined, lateHandOver: false };
    }),
    workflow: {
      ...{ at: 'none', step: 0, adopted: 0, alone: false, settles: false, foreign: false },
      ...{ sent: 0, refused: 0, outcome: undefined, older: false, own: 'none' },
    },
    decided: undefined,
    told: undefined,
    wrong: undefined,
  };
}
