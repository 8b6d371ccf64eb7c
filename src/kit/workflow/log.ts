import { proxyActivities } from '@temporalio/workflow';
import type { FailureNote } from './failure.js';

/**
 * The compensation log's workflows: a collection, and the log of one transaction. They carry figures and the lines that are
 * shown; what is collected goes from database to database, and not through Temporal.
 */

/** One line of the compensation log: an operation of a branch, or what was done to the transaction. Times are ISO 8601. */
export interface LogEntry {
  readonly gid: string;
  /** `guard`: a row in a participant's database; `history`: what its driver's history tells beyond those rows. */
  readonly source: 'guard' | 'history';
  /** The service whose guard wrote the row. */
  readonly service?: string;
  /** The place of the branch in its transaction. */
  readonly seq?: number;
  readonly branch?: string;
  /**
   * What was asked: the operation of a branch; or `decide`, `operate` (by a person), `confirm`, `withdraw` (of a message, by its
   * producer), `cancel-request` (of the transaction), `end` (of its run, or of the transaction if it never was a workflow).
   */
  readonly op: string;
  /**
   * Of a guard's row: `applied`, `empty`, `rejected`, `barred`, `intent`. Of a history's call: `succeeded` (after failed
   * attempts), `rejected`, `unknown`, `running`, `waiting`. Of a decision: `accepted`, `done`, `failed`. Of an end: the
   * transaction's state, or how its run was ended from outside.
   */
  readonly outcome: string;
  /** The function, such as `payments.charge.action`. */
  readonly function?: string;
  /** With its masked paths as `***`. */
  readonly input?: unknown;
  readonly result?: unknown;
  /** Why it did not succeed; of a call that did, why the attempt before the last did not. */
  readonly failure?: FailureNote;
  /** Who drove the transaction, such as `workflow:<run id>`. */
  readonly driver?: string;
  /** The worker that did it, or the person who decided or ended it. */
  readonly who?: string;
  /** The attempt that wrote the guard's row; of a call, the attempts that were begun. */
  readonly attempt?: number;
  readonly beganAt: string;
  readonly endedAt?: string;
  /** When it came to the log's table; absent where none is kept. */
  readonly collectedAt?: string;
}

/** A part of a transaction's log. */
export interface LogPage {
  readonly gid: string;
  /** Whether there is such a transaction, or was. */
  readonly found: boolean;
  /** In the order of time. */
  readonly entries: readonly LogEntry[];
  /** Where the next part begins; absent: this was the last. */
  readonly next?: number;
  /** What could not be read or is not kept, a line each. */
  readonly notes: readonly string[];
}

/** What a collection of guards' rows did. */
export interface GuardsCollected {
  /** Whether there is an operations database to keep them in. */
  readonly kept: boolean;
  /** Rows that were read. */
  readonly rows: number;
  /** False: there is more, for the next collection. */
  readonly finished: boolean;
}

/** What a collection of histories did. */
export interface HistoriesCollected {
  readonly kept: boolean;
  /** Histories that were read. */
  readonly runs: number;
  /** Those that could not be; each is tried again. */
  readonly failed: number;
  readonly finished: boolean;
}

/** The activities that the log's workflows call; `logActivities` of `backstitch/worker` makes them. */
export interface LogActivities {
  'backstitch.collectGuards': () => Promise<GuardsCollected>;
  'backstitch.collectHistories': () => Promise<HistoriesCollected>;
  'backstitch.showLog': (gid: string, from: number) => Promise<LogPage>;
}

/** One attempt; a collection ends itself before that, and what it has collected stays. */
const COLLECT_MS = 5 * 60_000;

const collecting = proxyActivities<LogActivities>({
  startToCloseTimeout: COLLECT_MS,
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 5, maximumAttempts: 3 },
});
const showing = proxyActivities<LogActivities>({
  startToCloseTimeout: '1 minute',
  retry: { maximumAttempts: 3 },
});

/**
 * Collects, once, what is new in the guards' rows and in the histories. Run by a schedule, every minute; to
 * run it more often, or at once with another, collects nothing twice.
 *
 * @throws the first failure, when both have been tried: the next collection goes on where this one was
 */
export async function collectLog(): Promise<{ guards: GuardsCollected; histories: HistoriesCollected }> {
  const [guards, histories] = await Promise.allSettled([
    collecting['backstitch.collectGuards'](),
    collecting['backstitch.collectHistories'](),
  ]);
  if (guards.status === 'rejected') throw guards.reason;
  if (histories.status === 'rejected') throw histories.reason;
  return { guards: guards.value, histories: histories.value };
}

/** Collects what is new of one transaction, and answers with its log, or the part of it that begins at `from`. */
export async function showLog(gid: string, from = 0): Promise<LogPage> {
  return showing['backstitch.showLog'](gid, from);
}
