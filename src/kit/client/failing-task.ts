import type { Client, WorkflowExecutionDescription } from '@temporalio/client';

/** A run whose workflow task fails again and again: by its code, as that does not fit its history, or throws. */
export interface FailingTask {
  /** Tries of the task that lies there, the next one included. */
  readonly attempts: number;
  /** When it failed first since the run last went on, in milliseconds since 1970; absent: no history tells. */
  readonly since?: number;
  /** The first line of its newest recorded failure; absent: it only ran out of time, or the history does not tell. */
  readonly cause?: string;
  /** The code that the workers have does other things than the history says. */
  readonly isNonDeterminism: boolean;
  /** It has run out of time, and nothing else is recorded of it since the run last went on. */
  readonly isOutOfTime: boolean;
}

/** A task that has failed so often fails by the worker's code; fewer are of workers that died, or were slow. */
export const TASK_FAILURES = 3;

/** `WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR` */
const NON_DETERMINISTIC = 24;
/** Events that are looked at, from the newest on, page by page: those since the run last went on. What waits may be many messages. */
const EVENTS = 200;
const PAGES = 20;
const MOST_CAUSE = 300;

/**
 * Says whether, and why, the task of an open run keeps failing. One that does not costs nothing but what the caller has asked already.
 *
 * @param failures of how many on
 * @throws what the server says
 */
export async function failingTask(
  client: Client,
  { workflowId, runId, raw }: Pick<WorkflowExecutionDescription, 'workflowId' | 'runId' | 'raw'>,
  failures = TASK_FAILURES,
): Promise<FailingTask | undefined> {
  const attempts = raw.pendingWorkflowTask?.attempt ?? 0;
  if (attempts <= failures) return undefined;
  // Of all tries the history has only the first, and no event comes between it and the last task that was done but what waits.
  const failed = [];
  let [hasTimedOut, reachesBack] = [false, false];
  let nextPageToken: Uint8Array | undefined;
  for (let page = 0; page < PAGES && !reachesBack; page++) {
    const found = await client.workflowService.getWorkflowExecutionHistoryReverse({
      namespace: client.options.namespace,
      execution: { workflowId, runId },
      maximumPageSize: EVENTS,
      nextPageToken,
    });
    for (const {
      eventTime,
      workflowTaskCompletedEventAttributes,
      workflowTaskFailedEventAttributes,
      workflowTaskTimedOutEventAttributes,
      workflowExecutionStartedEventAttributes,
    } of found.history?.events ?? []) {
      reachesBack = (workflowTaskCompletedEventAttributes ?? workflowExecutionStartedEventAttributes) != null;
      if (reachesBack) break;
      hasTimedOut ||= workflowTaskTimedOutEventAttributes != null;
      if (workflowTaskFailedEventAttributes != null) failed.push({ eventTime, of: workflowTaskFailedEventAttributes });
    }
    nextPageToken = found.nextPageToken;
    if (nextPageToken.length === 0) break;
  }
  const [newest] = failed;
  // A task that timed out first has only that in the history, however its later tries fail: the server knows since when it lies there.
  const first = failed.at(-1)?.eventTime?.seconds ?? raw.pendingWorkflowTask?.originalScheduledTime?.seconds;
  const cause = newest?.of.failure?.message?.split('\n')[0]?.slice(0, MOST_CAUSE);
  return {
    attempts,
    ...(first != null && { since: Number(first) * 1_000 }),
    ...(cause !== undefined && { cause }),
    isOutOfTime: newest === undefined && hasTimedOut && reachesBack,
    isNonDeterminism: Number(newest?.of.cause) === NON_DETERMINISTIC,
  };
}
