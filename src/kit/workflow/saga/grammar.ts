import type { Ledger, StepKind } from './ledger.js';

/**
 * The rules of a saga's grammar that types cannot hold: a step name is used once, the pivot begins alone, what follows
 * it goes forward only, and nothing goes forward before it.
 *
 * @returns the rule that a step would break, and what to do about it
 */
export function brokenRule(ledger: Ledger, gid: string, kind: StepKind, step: string): string | undefined {
  const { running, pivot } = ledger;
  if (ledger.has(step)) {
    return `step '${step}' is used twice in ${gid}: name each step of a saga differently`;
  }
  if (kind === 'forward' && pivot?.state !== 'succeeded') {
    return `step '${step}' goes forward before a pivot has succeeded: await tx.pivot first, or use tx.run with an undo`;
  }
  if (kind !== 'forward' && pivot !== undefined) {
    return `step '${step}' comes after the pivot, where nothing is undone: use tx.forward`;
  }
  if (kind === 'pivot' && running !== undefined) {
    return `the pivot '${step}' begins while '${running.step}' runs: await every step before it`;
  }
  return undefined;
}
