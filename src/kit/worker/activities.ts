import { activityInfo, Context, type Info as ActivityInfo } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import { decidedBy, type GuardDecision } from '../database/decided.js';
import { InputMismatch, Rejection, RowGone, Undecidable } from '../database/rejection.js';
import { functionsOf, type ParticipantFunction, type ParticipantImplementation } from '../direct/participants.js';
import type { Branch, Op, Operation } from '../workflow/branch.js';
import { OVERDUE } from '../workflow/failure.js';

/** Options of {@link participantActivities}. */
export interface ParticipantActivitiesOptions {
  /** Who does the work, for the guard's rows: usually the worker's identity. */
  readonly who: string;
}

/**
 * Makes participants into activities for a worker: `payments.charge.action`, `payments.charge.compensation`, …
 *
 * Each heartbeats while it runs (so that a cancellation reaches it and a dead worker is noticed), gets the call's
 * {@link Operation}, and has its failures mapped so that the workflow can tell rejected from unknown.
 */
export function participantActivities(
  participants: Readonly<Record<string, ParticipantImplementation>>,
  options: ParticipantActivitiesOptions,
): Record<string, (branch: Branch, ...args: unknown[]) => Promise<unknown>> {
  const activities: Record<string, (branch: Branch, ...args: unknown[]) => Promise<unknown>> = {};
  for (const [name, implementation] of functionsOf(participants)) {
    activities[name] = (branch, ...args) => perform(name, implementation, options.who, branch, args);
  }
  return activities;
}

async function perform(
  name: string,
  implementation: ParticipantFunction,
  who: string,
  branch: Branch,
  args: unknown[],
): Promise<unknown> {
  const info = activityInfo();
  refuseOverdue(name, info);
  const operation: Operation = {
    ...branch,
    function: name,
    driver: `workflow:${info.workflowExecution?.runId ?? ''}`,
    who,
    attempt: info.attempt,
    timeoutMs: timeLeft(info),
    signal: Context.current().cancellationSignal,
  };
  const stop = heartbeatWhileRunning(info.isLocal ? undefined : info.heartbeatTimeoutMs);
  try {
    return await implementation(operation, ...args);
  } catch (error) {
    throw toFailure(error, branch.op);
  } finally {
    stop();
  }
}

/** How long an attempt may take, in milliseconds. All attempts of a local activity share one time. */
function timeLeft({
  isLocal,
  startToCloseTimeoutMs,
  scheduledTimestampMs,
  scheduleToCloseTimeoutMs,
}: ActivityInfo): number {
  if (!isLocal || !scheduleToCloseTimeoutMs) return startToCloseTimeoutMs;
  const left = scheduledTimestampMs + scheduleToCloseTimeoutMs - Date.now();
  return Math.min(startToCloseTimeoutMs, Math.max(left, 1));
}

/**
 * Begins no attempt of a local activity after its time. The SDK's core forgets a schedule-to-close timeout that passes
 * while it waits to retry locally: every later attempt would run as if there were none.
 */
function refuseOverdue(name: string, info: ActivityInfo): void {
  const { isLocal, scheduledTimestampMs, scheduleToCloseTimeoutMs } = info;
  if (!isLocal || !scheduleToCloseTimeoutMs || Date.now() < scheduledTimestampMs + scheduleToCloseTimeoutMs) return;
  throw ApplicationFailure.nonRetryable(
    `${name} was not tried again: its ${scheduleToCloseTimeoutMs} ms are over`,
    OVERDUE,
  );
}

/** Heartbeats three times within the timeout; short calls never reach the first. */
function heartbeatWhileRunning(timeoutMs: number | undefined): () => void {
  if (timeoutMs === undefined || timeoutMs === 0) return () => undefined;
  const context = Context.current();
  const timer = setInterval(() => {
    context.heartbeat();
  }, timeoutMs / 3);
  return () => {
    clearInterval(timer);
  };
}

/**
 * Maps what a participant throws to what the workflow judges. Only what the guard decided is marked as decided; every
 * other error stays retryable, whatever the participant says of it, and unknown if the retries end.
 */
export function toFailure(error: unknown, op: Op): unknown {
  const decision = error instanceof Error ? decidedBy(error, op) : undefined;
  if (decision !== undefined) return decided(decision, error as Error);
  // Asking again changes nothing.
  if (error instanceof InputMismatch || error instanceof RowGone || error instanceof Undecidable) {
    return ApplicationFailure.create({ type: error.name, message: error.message, nonRetryable: true, cause: error });
  }
  if (error instanceof Rejection) return ApplicationFailure.fromError(error, { type: error.type });
  // Giving up on a participant's own word would leave a pivot or an undo without an outcome.
  if (error instanceof ApplicationFailure) return ApplicationFailure.fromError(error, { nonRetryable: false });
  return error;
}

function decided({ type, detail }: GuardDecision, cause: Error): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message: cause.message,
    nonRetryable: true,
    details: [detail],
    cause,
    // A no is an answer, not a fault of the worker: no error in its log and its metrics.
    category: ApplicationFailureCategory.BENIGN,
  });
}
