import type { TransactionState } from '../branch.js';
import type { Desk } from '../desk.js';
import type { TransactionReport } from '../failure.js';
import type { BranchView, TransactionView } from '../view.js';
import type { StateFailure, StateRow } from './row.js';

/** A row as the other schemes show their transactions. Pure. */

/** What is said where nothing was written. */
export const NOT_WRITTEN: StateFailure = { known: 'unknown', type: 'Unknown', message: 'why was not written' };

/** The state of a row as a transaction's. */
export function transactionStateOf({ state }: Pick<StateRow, 'state'>): TransactionState {
  switch (state) {
    case 'success':
      return 'committed';
    case 'refused':
      return 'compensated';
    case 'error':
      return 'stuck';
    case 'left':
      return 'failed';
    default:
      return 'running';
  }
}

/** What a row that did not come to `success` says of itself; nothing while it may. */
export function stateReport(
  row: Pick<StateRow, 'gid' | 'state' | 'done' | 'calls' | 'failure'>,
): TransactionReport | undefined {
  const { gid, state, done, calls, failure = NOT_WRITTEN } = row;
  if (state !== 'refused' && state !== 'left') return undefined;
  const { type, message, known } = failure;
  const step = calls[done]?.branch;
  const isDone = calls.slice(0, done).map(({ branch }) => {
    return { step: branch, type: 'Kept', message: 'it is done, and nothing of a state table is undone' };
  });
  return {
    ...{ gid, scheme: 'state', state: state === 'refused' ? 'compensated' : 'failed' },
    cause: {
      ...(step !== undefined && { step }),
      knowledge: known === 'refused' ? 'rejected' : 'unknown',
      type,
      message,
    },
    undone: [],
    notUndone: state === 'refused' ? [] : [...isDone, ...(step === undefined ? [] : [{ step, type, message }])],
  };
}

/** The operations of a row, as far as they were begun. */
export function stateBranches(row: StateRow): BranchView[] {
  const { calls, done, failure, state, createdAt, endedAt } = row;
  return calls.slice(0, done + 1).map(({ branch, operation, summary = branch }, index) => {
    const own = { branch, operation, summary, seq: index + 1, startedAt: createdAt };
    if (index < done) return { ...own, state: 'succeeded', endedAt };
    const known = failure?.known === 'refused' ? 'rejected' : 'unknown';
    const now = state === 'error' ? 'parked' : endedAt === undefined ? 'running' : known;
    return { ...own, state: now, ...(failure && { failure }), endedAt };
  });
}

/** The view of a row that a person has. @param row absent: it was not read yet */
export function stateView(
  { gid, startedAt, state }: { readonly gid: string; readonly startedAt: number; readonly state: TransactionState },
  row: StateRow | undefined,
  desk: Desk,
): TransactionView {
  const written = row?.decisions ?? [];
  const earlier = written.filter(({ at }) => desk.notes.every((note) => note.at !== at));
  // As it is written it says what has become of it, too.
  const own = desk.notes.map((note) => written.find(({ at }) => at === note.at) ?? note);
  const report = row && stateReport(row);
  return {
    ...{ gid, scheme: 'state', state, lane: 'state-table' },
    startedAt: row?.createdAt ?? startedAt,
    branches: row === undefined ? [] : stateBranches(row),
    ...(report && { report }),
    desk: desk.cases,
    decisions: [...earlier, ...own],
    operations: [],
  };
}
