import {
  ActivityFailure,
  ApplicationFailure,
  isCancellation,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';

/**
 * Retention: forgets what is kept for longer than it is needed, table by table, in every database. One table that cannot be done stops no
 * other; each has its time, and so has all of it: what is not done today is begun tomorrow where this run began one later.
 *
 * Invariant: what is needed still is left, however old it is: the rows of a transaction that has not ended anywhere, and of a message that is
 * still to be delivered. To run it again, or at once with another, removes nothing more.
 */

/** A table of a database. */
export interface ForgetPart {
  readonly database: string;
  readonly table: string;
}

/** What a run is asked. */
export interface ForgetOrder {
  /** Instead of their own, for how many days tables keep what they have, by their names, such as `{ guard: 120 }`. */
  readonly days?: Readonly<Record<string, number>>;
  /** How long all of it may take, and one table; milliseconds. Default: 2 hours, and 15 minutes */
  readonly mostMs?: number;
  readonly partMs?: number;
}

/** What one activity is asked. */
export interface ForgetPartOrder extends ForgetPart {
  /** For how many days; absent: as the table says. */
  readonly days?: number;
  /** How long it may take, in milliseconds. */
  readonly forMs: number;
}

/** What was forgotten of a table. */
export interface ForgottenPart extends ForgetPart {
  readonly days: number;
  /** Rows, or tables of a day. */
  readonly removed: number;
  /** What is old and needed still: transactions, messages. */
  readonly kept: number;
  /** False: there is more, for the next run. */
  readonly finished: boolean;
  /** Why not all could be done, in one line. */
  readonly failure?: string;
}

/** What a run did. */
export interface ForgetReport {
  readonly removed: number;
  readonly parts: readonly ForgottenPart[];
  /** Those for which no time was left. */
  readonly notBegun: readonly ForgetPart[];
  /** Databases that could not be asked what they have, and why. */
  readonly unread: readonly { readonly database: string; readonly message: string }[];
}

/** The activities behind {@link forgetOld}; `forgetActivities` of `backstitch/worker` makes them. */
export interface ForgetActivities {
  'backstitch.forgettable': () => Promise<Pick<ForgetReport, 'unread'> & { readonly parts: readonly ForgetPart[] }>;
  'backstitch.forget': (order: ForgetPartOrder) => Promise<ForgottenPart>;
}

const MOST_MS = 2 * 60 * 60_000;
const PART_MS = 15 * 60_000;
/** What a table may take beyond its time: its last batch, and what that is asked. */
const GRACE_MS = 2 * 60_000;
const DAY_MS = 24 * 60 * 60_000;
/** Attempts of one table: for a worker that is lost, and a database that is away for a moment. */
export const FORGET_ATTEMPTS = 3;

const looking = proxyActivities<ForgetActivities>({
  startToCloseTimeout: '2 minutes',
  retry: { maximumAttempts: 3 },
});

/**
 * Forgets once; a schedule runs it daily.
 *
 * @throws a failure of type `ForgetIncomplete`, in one line, if a part of it could not be done: all else was; its detail is the report
 */
export async function forgetOld({
  days = {},
  mostMs = MOST_MS,
  partMs = PART_MS,
}: ForgetOrder = {}): Promise<ForgetReport> {
  const until = Date.now() + mostMs;
  const { parts: all, unread } = await looking['backstitch.forgettable']();
  // What had no time yesterday is not the last today.
  const first = Math.floor(workflowInfo().startTime.getTime() / DAY_MS) % Math.max(all.length, 1);
  const parts: ForgottenPart[] = [];
  const notBegun: ForgetPart[] = [];
  for (const part of [...all.slice(first), ...all.slice(0, first)]) {
    const forMs = Math.min(partMs, until - Date.now());
    if (forMs <= 0) notBegun.push(part);
    else parts.push(await forgetPart({ ...part, days: days[part.table], forMs }));
  }
  const removed = parts.reduce((sum, part) => sum + part.removed, 0);
  const report: ForgetReport = { removed, parts, notBegun, unread };
  const failed = [
    ...unread.map(({ database, message }) => `${database}: ${message}`),
    ...parts.flatMap(({ database, table, failure }) =>
      failure === undefined ? [] : [`${table} of ${database}: ${failure}`],
    ),
  ];
  if (failed.length > 0) {
    const message = `${failed.join('; ')}; all else was done, ${removed} rows`;
    throw ApplicationFailure.create({ message, type: 'ForgetIncomplete', nonRetryable: true, details: [report] });
  }
  return report;
}

async function forgetPart(order: ForgetPartOrder): Promise<ForgottenPart> {
  const forgetting = proxyActivities<ForgetActivities>({
    startToCloseTimeout: order.forMs + GRACE_MS,
    heartbeatTimeout: '90 seconds',
    retry: { initialInterval: '5 seconds', maximumAttempts: FORGET_ATTEMPTS },
  });
  try {
    return await forgetting['backstitch.forget'](order);
  } catch (error) {
    // Whoever cancels it wants no more of it.
    if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
    const { database, table, days = 0 } = order;
    const failure = error.cause?.message ?? error.message;
    return { database, table, days, removed: 0, kept: 0, finished: false, failure };
  }
}
