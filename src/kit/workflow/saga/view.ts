import type { OperatorNote } from '../operate.js';
import type { BranchView, TransactionView } from '../view.js';
import type { BranchRecord } from './ledger.js';
import type { SagaRun } from './run.js';

/** What a driver adds to a run: who, how, and since when. */
export interface ViewedDriver {
  readonly gid: string;
  readonly lane: string;
  readonly startedAt: number;
  readonly deadlineAt: number | undefined;
  readonly operations: readonly OperatorNote[];
  readonly paused: OperatorNote | undefined;
}

/** A saga's run as the view that every scheme shares. */
export function viewOf(
  run: Pick<SagaRun<unknown, unknown>, 'scheme' | 'state' | 'ledger' | 'report' | 'desk'>,
  driver: ViewedDriver,
): TransactionView {
  const { gid, lane, startedAt, deadlineAt, operations, paused } = driver;
  return {
    gid,
    scheme: run.scheme,
    state: run.state,
    lane,
    startedAt,
    deadlineAt,
    branches: run.ledger.branches.map(branchView),
    report: run.report,
    desk: run.desk.cases,
    decisions: run.desk.notes,
    operations,
    paused,
  };
}

function branchView(record: BranchRecord): BranchView {
  const { step, seq, operation, summary, state, failure, startedAt, endedAt, undo, confirm } = record;
  const second = confirm ?? undo;
  return {
    branch: step,
    seq,
    operation,
    summary,
    state,
    failure,
    startedAt,
    endedAt,
    second: second && { op: second.op, state: second.state, failure: second.failure },
  };
}
