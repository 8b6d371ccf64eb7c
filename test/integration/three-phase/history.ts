import { setTimeout } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';

/** What is waited for in a run's history, whether or not a worker is there to see it. */
type Wanted = (event: NonNullable<Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']>[number]) => boolean;

export const isTimerRung: Wanted = ({ timerFiredEventAttributes }) => timerFiredEventAttributes != null;
export const isTimeout: Wanted = ({ activityTaskTimedOutEventAttributes }) =>
  activityTaskTimedOutEventAttributes != null;
export const isAsked =
  (activity: string): Wanted =>
  ({ activityTaskScheduledEventAttributes: scheduled }) =>
    scheduled?.activityType?.name === activity;

const LOOK_MS = 100;
/** The code of gRPC. */
const NOT_FOUND = 5;

/** Waits until so many of these have happened in a run, which may not have begun yet. */
export async function untilHappened(handle: WorkflowHandle, wanted: Wanted, count = 1): Promise<void> {
  while ((await happened(handle, wanted)) < count) await setTimeout(LOOK_MS);
}

async function happened(handle: WorkflowHandle, wanted: Wanted): Promise<number> {
  try {
    const { events } = await handle.fetchHistory();
    return events?.filter(wanted).length ?? 0;
  } catch (error) {
    // Of a history the client gives the server's own error.
    if ((error as { code?: number }).code === NOT_FOUND) return 0;
    throw error;
  }
}
