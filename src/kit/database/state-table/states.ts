import type { State, StoredCall } from '../../workflow/state-table/row.js';

/** An operation that is still to be named by a letter: more than the alphabet has makes no list that a person would read. */
export const MOST_CALLS = 26;

/** The state of a row of which so many operations of all are done. */
export function stateAt(done: number, all: number): State {
  if (done === all) return 'success';
  return done === 0 ? 'init' : `${String.fromCharCode('a'.charCodeAt(0) + done - 1)}_done`;
}

/** The branch under which an operation is called. */
export function branchOf({ branch, renewed = 0 }: StoredCall): string {
  return renewed === 0 ? branch : `${branch}~${renewed}`;
}
