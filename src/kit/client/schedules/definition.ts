import type { Duration } from '@temporalio/common';
import { RECONCILE, type ReconcileOrder } from '../../workflow/reconcile/reconcile.js';

/** What runs again and again by itself. */
interface Scheduled {
  /** What tells it from the others of its task queue, such as `scan`: its id is `<task queue>-scan`. */
  readonly name: string;
  readonly workflow: string;
  readonly args?: readonly unknown[];
  /** Each run begins up to so much later, another time each, so that not all begin at once. Default: none */
  readonly jitter?: Duration;
  /**
   * What was missed while the server was down is made up for once, if that is no longer ago. Default: 10 minutes; of one that runs daily
   * 12 hours
   */
  readonly catchupWindow?: Duration;
  /** One line for the Web UI. */
  readonly note: string;
}

/** A workflow that is run again and again: every so often, or once a day. */
export type ScheduledWorkflow = Scheduled &
  (
    { readonly every: Duration; readonly daily?: undefined } | { readonly daily: TimeOfDay; readonly every?: undefined }
  );

/** A time of the day, UTC: no hour of it is there twice, or not at all. */
export interface TimeOfDay {
  /** 0 to 23 */
  readonly hour: number;
  /** 0 to 59. Default: 0 */
  readonly minute?: number;
}

/** The schedule of the scan; give `args` to name further transactions. */
export const scanSchedule: ScheduledWorkflow = {
  name: 'scan',
  workflow: 'scanTransactions',
  every: '5 minutes',
  note: 'finds transactions whose run was ended from outside, and settles them',
};

/** The schedule that keeps the compensation log. */
export const collectLogSchedule: ScheduledWorkflow = {
  name: 'collect-log',
  workflow: 'collectLog',
  every: '1 minute',
  note: "collects the compensation log from the guards' rows and from histories",
};

/** The schedule of retention; give `args` to keep something for another time. */
export const forgetSchedule: ScheduledWorkflow = {
  name: 'forget',
  workflow: 'forgetOld',
  daily: { hour: 3 },
  jitter: '10 minutes',
  note: 'forgets what is kept for longer than its retention',
};

/** The schedule of the reconciliation: it repairs nothing, and takes what needs a person to the desk. */
export const reconcileSchedule: ScheduledWorkflow = {
  name: 'reconcile',
  workflow: RECONCILE,
  args: [{ desk: true } satisfies ReconcileOrder],
  daily: { hour: 2 },
  jitter: '10 minutes',
  note: 'compares what the systems have of each other, pair by pair',
};

/** The id of a schedule on the server. */
export function scheduleId(taskQueue: string, name: string): string {
  return `${taskQueue}-${name}`;
}
