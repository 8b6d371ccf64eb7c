import type { Without } from './guards.js';
import type { Outcome, State, Workflow } from './state.js';

/**
 * Starts the workflow under the gid, unless one runs, or has decided.
 *
 * @param adopts the step in whose database it adopts the announcement; absent: it is an ordinary workflow
 */
export function begin(state: State, without: Without, adopts?: number): void {
  const { workflow } = state;
  if (!mayBegin(workflow, without)) return;
  Object.assign(workflow, {
    adopted: 0,
    alone: false,
    settles: false,
    foreign: false,
    outcome: undefined,
    older: false,
  });
  if (adopts === undefined) goTo(workflow, 'step', 0);
  else goTo(workflow, 'adopt', adopts);
}

/** Whether none runs, nor has decided: Temporal sees to that, and to it that two are not started at once. */
export function mayBegin({ at, outcome, older }: Workflow, without: Without): boolean {
  if (at !== 'ended') return at === 'none';
  if (older) return !without.has('relay: only the end of the run that adopted is the end');
  if (outcome !== undefined) return without.has('workflow: one run of a gid');
  return !without.has('relay: starts anew where the workflow ended and decided nothing');
}

/** How it ended, if it has decided. */
export function endOf({ at, outcome, older }: Workflow, without: Without): Outcome | undefined {
  if (older && !without.has('relay: only the end of the run that adopted is the end')) return undefined;
  const undecided = without.has('relay: starts anew where the workflow ended and decided nothing')
    ? 'undone'
    : undefined;
  return at === 'ended' ? (outcome ?? undecided) : undefined;
}

export function goTo(workflow: Workflow, at: Workflow['at'], step: number): void {
  workflow.at = at;
  workflow.step = step;
  if (at === 'step') workflow.sent = Math.max(workflow.sent, step + 1);
}
