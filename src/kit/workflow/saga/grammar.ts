import type { Kept } from './kept.js';
import type { BranchRecord, Ledger, StepKind } from './ledger.js';

/**
 * The rules of a saga's grammar that types cannot hold: a step name is used once, the pivot begins alone, what follows
 * it goes forward only, and nothing goes forward before it. A body that runs again does the same as before.
 *
 * @param again what an earlier run of the body has made of this step
 * @returns the rule that a step would break, and what to do about it
 */
export function brokenRule(
  ledger: Ledger,
  gid: string,
  kind: StepKind,
  step: string,
  again: BranchRecord | undefined,
  input: Kept,
): string | undefined {
  const { running, groups } = ledger;
  if (again === undefined && ledger.find(step) !== undefined) {
    return `step '${step}' is used twice in ${gid}: name each step of a saga differently`;
  }
  if (again !== undefined && again.input !== input) {
    return `step '${step}' has another input than when the body ran first: a body must do the same again`;
  }
  if (step.includes('~')) return `step '${step}' has a '~' in its name, which is kept for branches that are begun anew`;
  if (kind === 'forward' && !ledger.mayGoForward) {
    return ledger.confirms
      ? `step '${step}' goes forward before all is confirmed: await tx.confirm first, or try it`
      : `step '${step}' goes forward before a pivot has succeeded: await tx.pivot first, or use tx.run with an undo`;
  }
  if (kind !== 'forward' && ledger.confirming) {
    return `step '${step}' is tried after the confirm, where nothing is cancelled: use tx.forward`;
  }
  if (kind !== 'forward' && ledger.pivoted) {
    return `step '${step}' comes after the pivot, where nothing is undone: use tx.forward`;
  }
  if (kind === 'pivot' && groups.size > 0) {
    return `the pivot '${step}' begins within tx.parallel: await the branches, then the pivot`;
  }
  if (kind === 'pivot' && running !== undefined) {
    return `the pivot '${step}' begins while '${running.step}' runs: await every step before it`;
  }
  return undefined;
}
