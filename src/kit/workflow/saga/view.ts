import type { BranchView, TransactionView } from '../view.js';
import type { BranchRecord } from './ledger.js';
import type { SagaRun } from './run.js';

/** What a driver adds to a run: who, how, and since when. */
export interface ViewedDriver {
  readonly gid: string;
  readonly lane: string;
  readonly startedAt: number;
  readonly deadlineAt: number | undefined;
}

/** A saga's run as the view that every scheme shares. */
export function viewOf(
  run: Pick<SagaRun<unknown, unknown>, 'state' | 'ledger' | 'report'>,
  driver: ViewedDriver,
): TransactionView {
  const { gid, lane, startedAt, deadlineAt } = driver;
  return {
    gid,
    scheme: 'saga',
    state: run.state,
    lane,
    startedAt,
    deadlineAt,
    branches: run.ledger.branches.map(branchView),
    report: run.report,
  };
}

function branchView(record: BranchRecord): BranchView {
  const { step, seq, operation, summary, state, failure, startedAt, endedAt, undo } = record;
  return {
    branch: step,
    seq,
    operation,
    summary,
    state,
    failure,
    startedAt,
    endedAt,
    second: undo && {
      op: 'compensation',
      state: undo.state === 'undone' ? 'done' : undo.state,
      failure: undo.failure,
    },
  };
}
