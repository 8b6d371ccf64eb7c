import type { Knowledge, Op, Scheme } from '../../workflow/branch.js';
import type { DeskCase, DeskNote } from '../../workflow/desk.js';
import type { FailureNote, TransactionReport } from '../../workflow/failure.js';
import type { OperatorNote } from '../../workflow/operate.js';
import type { SecondState } from '../../workflow/view.js';
import type { FailingTask } from '../failing-task.js';
import type { FoundState } from '../list.js';

/**
 * A transaction as it is shown: the same shape for every scheme, and whoever drives it. Times are ISO 8601. It is
 * `tx show --json`, so it only grows.
 */
export interface ShownTransaction {
  readonly gid: string;
  readonly scheme: Scheme;
  readonly state: FoundState;
  /** The name of the transaction, such as `placeOrder`. */
  readonly transaction: string;
  readonly summary?: string;
  /** How it is driven. */
  readonly lane: string;
  readonly driver: ShownDriver;
  readonly startedAt: string;
  readonly endedAt?: string;
  /** When it is undone if it is not past its pivot. Known only while a worker answers. */
  readonly deadlineAt?: string;
  readonly branches: readonly ShownBranch[];
  /** What waits for a person. Known only while a worker answers, as are the decisions and what operators did. */
  readonly desk: readonly DeskCase[];
  /** What persons have decided, in order. */
  readonly decisions: readonly DeskNote[];
  /** What operators have done, in order. */
  readonly operations: readonly OperatorNote[];
  /** By whom and why it is paused. */
  readonly paused?: OperatorNote;
  /** Why it was not committed. */
  readonly report?: TransactionReport;
  /** Why the run was ended from outside. */
  readonly ended?: FailureNote;
  /** Its workflow task keeps failing: nothing of it goes on. */
  readonly failingTask?: FailingTask;
  /** What the transaction answered, when it is committed. */
  readonly result?: unknown;
  /**
   * Whether a worker answered. If none did, what is shown is what the server knows, and of steps in the lean lane that
   * are not recorded yet it knows nothing.
   */
  readonly workerAnswered: boolean;
}

/** Who drives a transaction, or drove it. */
export type ShownDriver =
  | {
      readonly kind: 'workflow';
      readonly runId: string;
      readonly taskQueue: string;
      readonly historyEvents: number;
      readonly historyBytes: number;
    }
  | {
      /** `process`: a caller's; `group`: a workflow with many such transactions. */
      readonly kind: 'process' | 'group';
      /**
       * `direct:<call>`, `group:<workflow id>#<member>`; `workflow`: it was given to a workflow that the server does not have, as
       * it is about to start, or was long ago.
       */
      readonly owner: string;
      /** The process. */
      readonly who?: string;
      /** The participant in whose database it is announced, or its end is kept. */
      readonly home?: string;
      /** When a worker takes it over, unless it has ended by then. */
      readonly takeOverAt?: string;
    };

/** One participant's part in a transaction. */
export interface ShownBranch {
  readonly branch: string;
  readonly seq: number;
  /** The operation, such as `payments.charge`. */
  readonly operation: string;
  readonly summary: string;
  /** What is known of the first operation. */
  readonly state: 'running' | 'parked' | Knowledge;
  /** What is known of the undo, or of the second phase; `failed`: no worker answered to say what became of it. */
  readonly then?: { readonly op: Op; readonly state: SecondState | 'failed' };
  /** Every operation that was asked of the branch, in that order. */
  readonly calls: readonly ShownCall[];
}

/** One operation that was asked of a branch. */
export interface ShownCall {
  readonly op: Op;
  /** The function, such as `payments.charge.action`. */
  readonly function: string;
  /** `waiting`: for a worker, or for the next attempt. */
  readonly state: 'waiting' | 'running' | Knowledge;
  /** Attempts that were begun. */
  readonly attempts: number;
  readonly startedAt: string;
  /** When the answer was recorded. */
  readonly endedAt?: string;
  /** When the next attempt is due. */
  readonly nextAttemptAt?: string;
  /** Why it did not succeed; while it is tried, why the last attempt did not. */
  readonly failure?: FailureNote;
  /** Why the attempt before the last one failed, when the last one succeeded. */
  readonly lastFailure?: FailureNote;
  /** The worker that made the last attempt. */
  readonly worker?: string;
}
