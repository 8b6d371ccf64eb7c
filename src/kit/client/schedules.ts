import { type Client, ScheduleAlreadyRunning, ScheduleOverlapPolicy } from '@temporalio/client';
import type { Duration } from '@temporalio/common';
import { RECONCILE, type ReconcileOrder } from '../workflow/reconcile/reconcile.js';
import { ask } from './server.js';

/** A workflow that is run again and again. */
export interface ScheduledWorkflow {
  /** What tells it from the others of its task queue, such as `scan`: its id is `<task queue>-scan`. */
  readonly name: string;
  readonly workflow: string;
  readonly args?: readonly unknown[];
  readonly every: Duration;
  /** One line for the Web UI. */
  readonly note: string;
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

/** The schedule of the reconciliation: it repairs nothing, and takes what needs a person to the desk. */
export const reconcileSchedule: ScheduledWorkflow = {
  name: 'reconcile',
  workflow: RECONCILE,
  args: [{ desk: true } satisfies ReconcileOrder],
  every: '1 day',
  note: 'compares what the systems have of each other, pair by pair',
};

/** What became of a schedule. */
export interface AppliedSchedule {
  readonly id: string;
  readonly done: 'created' | 'updated';
}

/**
 * Creates schedules, or brings those that are there to what is given: applying again changes nothing. One run at a time;
 * what was missed while the server was down is made up for once.
 *
 * @throws ServerUnavailable, ServerNotPrepared
 */
export async function applySchedules(
  client: Client,
  taskQueue: string,
  schedules: readonly ScheduledWorkflow[],
): Promise<AppliedSchedule[]> {
  const applied: AppliedSchedule[] = [];
  for (const { name, workflow, args = [], every, note } of schedules) {
    const id = `${taskQueue}-${name}`;
    const options = {
      spec: { intervals: [{ every }] },
      action: { type: 'startWorkflow' as const, workflowType: workflow, workflowId: id, taskQueue, args: [...args] },
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '10 minutes' as const },
      state: { note },
    };
    try {
      await ask(client, () => client.schedule.create({ scheduleId: id, ...options }));
      applied.push({ id, done: 'created' });
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      // Whether somebody has paused it stays as it is.
      await ask(client, () =>
        client.schedule.getHandle(id).update(({ state }) => ({ ...options, state: { ...state, note } })),
      );
      applied.push({ id, done: 'updated' });
    }
  }
  return applied;
}
