import type { Body } from './moves.js';
import type { Outcome, State } from './state.js';

/**
 * What must hold. What cannot be seen in a state is noted by the move that does it, as {@link State.wrong}:
 * a step takes effect twice (I1) or after its undo (I3), an undo of what had no effect (I3), two answers (I2), a decision
 * of somebody else than the owner, or a second one (I4).
 */

/** Holds in every state: what is known of the end is the same wherever it is known, and is so. */
export function untrue(state: State, body: Body): string | undefined {
  const [outcome, ...others] = endsOf(state);
  if (outcome === undefined) return undefined;
  if (others.some((other) => other !== outcome)) return 'I2: fate, workflow and answers do not agree';
  return holds(state, body, outcome) ? undefined : `I1: it is ${outcome}, and not every step is`;
}

/**
 * Holds where nothing is certain to happen any more, though a caller that paused may go on: the transaction has come to its
 * end, the fate is kept, and nobody waits.
 *
 * @param learned what a caller that follows finds at a step
 */
export function unfinished(
  state: State,
  body: Body,
  learned: (step: number) => Outcome | undefined,
): string | undefined {
  const { announcements, steps, workflow, calls } = state;
  const isItsOwn = workflow.foreign && workflow.outcome === 'committed';
  if (workflow.own === 'there' && !isItsOwn) return 'I1: a step of another input is left';
  if (announcements.some((announced) => announced !== undefined)) return 'I1: an announcement is left';
  if (endsOf(state).length === 0 && !holds(state, body, 'undone'))
    return 'I1: steps have effects, and nobody ends that';
  const wasAnnounced = steps.some(({ row }) => row?.phase1 === 'applied' && row.driver !== 'W');
  const isKept = steps.some(({ row }) => row?.fate !== undefined);
  if ((wasAnnounced || workflow.adopted !== 0) && !isKept) return 'I1: the fate is not kept';
  const waits = calls.some(({ at, step }) => at === 'follow' && learned(step) === undefined);
  return waits ? 'I2: a caller waits for ever' : undefined;
}

/** How the transaction ended, by whom: so that a test can see that what it means to see was there. */
export function ending({ decided, told, workflow }: State): string {
  if (decided !== undefined) return `${decided.outcome} by ${decided.by}`;
  if (told !== undefined) return `${told} without a decision`;
  return workflow.at === 'none' ? 'nothing' : 'undecided';
}

/** What is known of the end: in the databases, by the workflow, by callers. */
function endsOf({ steps, workflow, told }: State): Outcome[] {
  const fates = steps.map(({ row }) => row?.fate);
  const ended = workflow.at === 'ended' && !workflow.older ? workflow.outcome : undefined;
  return [...fates, ended, told].filter((end) => end !== undefined);
}

function holds({ steps }: State, { goesOnAfter }: Body, outcome: Outcome): boolean {
  return steps.every(({ effect, row }, step) => {
    if (outcome === 'undone') return effect !== 'there';
    const isLeftOut = step === goesOnAfter && effect === 'none' && row?.phase1 === 'rejected';
    return effect === 'there' || isLeftOut;
  });
}
