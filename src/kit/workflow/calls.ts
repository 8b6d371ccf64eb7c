import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  TemporalFailure,
  TimeoutFailure,
  TimeoutType,
} from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import { ActivityCancellationType, proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import { OVERDUE, type DecidedDetail } from './failure.js';
import { retryProfiles, type RetryProfile } from './retry.js';
import type { Lane } from './saga/definition.js';
import type { Call, Judgement } from './saga/driver.js';

/**
 * How a workflow calls a participant, and the one place where the answer is judged.
 */

const WAIT = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

/**
 * Calls an operation as an activity, or as a local activity in the lean lane.
 *
 * @param limitMs milliseconds in which the call, its retries included, has to be done
 */
export function callActivity(call: Call, lane: Lane, limitMs?: number): Promise<unknown> {
  const { branch, operation, profile, summary, options } = call;
  const local = lane === 'lean' && profile !== 'compensation' && profile !== 'settle' && options.long !== true;
  const figures: RetryProfile = local
    ? retryProfiles[profile === 'action' ? 'local' : 'localForward']
    : retryProfiles[profile];
  const retries = profile === 'action' ? options.retries : undefined;
  const attemptMs = options.timeout === undefined ? figures.startToCloseMs : msToNumber(options.timeout);
  // Of two timeouts that end at once Temporal may report the one after which it retries.
  const limited = limitMs !== undefined && limitMs <= attemptMs;
  const startToCloseTimeout = limited ? undefined : attemptMs;
  const scheduleToCloseTimeout = limitMs;
  // Tells a call that no worker has begun from one that was begun and did not end.
  const scheduleToStartTimeout = limitMs === undefined ? undefined : Math.max(Math.floor(limitMs * 0.9), 1);
  const retry = retries === undefined ? figures.retry : { ...figures.retry, maximumAttempts: retries + 1 };
  const name = `${operation}.${branch.op}`;
  const cancellationType = WAIT;
  const proxy = local
    ? proxyLocalActivities({ startToCloseTimeout, scheduleToCloseTimeout, cancellationType, retry, summary })
    : proxyActivities({
        startToCloseTimeout,
        scheduleToCloseTimeout,
        scheduleToStartTimeout,
        heartbeatTimeout: figures.heartbeatMs,
        cancellationType,
        retry,
        summary,
      });
  const activity = proxy[name];
  if (activity === undefined) throw new TypeError(`activity ${name} cannot be called`);
  return activity(branch, ...call.args);
}

/** Whether a call failed because the time for all its attempts is over. */
export function isOverdue(error: unknown): boolean {
  const cause = error instanceof TemporalFailure ? causeOf(error) : undefined;
  if (cause instanceof TimeoutFailure) return cause.timeoutType === TimeoutType.SCHEDULE_TO_CLOSE;
  return cause instanceof ApplicationFailure && cause.type === OVERDUE;
}

/** Whether no worker has begun a call, or a further attempt of it, in nearly all its time. */
export function wasNeverTried(error: unknown): boolean {
  const cause = error instanceof TemporalFailure ? causeOf(error) : undefined;
  return cause instanceof TimeoutFailure && cause.timeoutType === TimeoutType.SCHEDULE_TO_START;
}

/**
 * Says what is known of a call that failed.
 *
 * - `rejected`: the guard decided it (the failure's first detail says so), durably; or it was refused because its own
 *   undo came first. Nothing happened, and nothing of it can happen later.
 * - `unknown`: everything else: a timeout, a lost worker, a cancellation, an error whose outcome nobody recorded.
 *
 * @throws the error itself when it is none of Temporal's failures: a defect of the worker or of this code, which must
 * fail the workflow task (it is tried again with a mended worker), not the transaction
 */
export function judge(error: unknown): Judgement {
  if (!(error instanceof TemporalFailure)) throw error;
  const cause = causeOf(error);
  if (cause instanceof ApplicationFailure) {
    const decided = cause.details?.[0] as DecidedDetail | undefined;
    const knowledge = decided?.backstitch === undefined ? 'unknown' : 'rejected';
    const judgement: Judgement = { knowledge, type: cause.type ?? 'Error', message: cause.message };
    if (decided?.backstitch === 'mismatch') return { ...judgement, mismatch: true };
    if (decided?.backstitch === 'elsewhere') return { ...judgement, met: {} };
    if (decided?.backstitch === 'decided') return { ...judgement, met: { fate: decided.fate } };
    if (decided?.backstitch === 'suspended') return { ...judgement, suspended: true };
    if (decided?.backstitch === 'barred') return { ...judgement, settled: { kind: 'barred' } };
    if (decided?.backstitch === 'undone') return { ...judgement, settled: { kind: 'undone', result: decided.result } };
    return judgement;
  }
  if (cause instanceof TimeoutFailure) {
    // The SDK drops the cause of a timeout; the server's own words have it.
    const last = cause.failure?.cause;
    const before = last ? `; the last attempt: ${last.applicationFailureInfo?.type ?? 'Error'}: ${last.message}` : '';
    return { knowledge: 'unknown', type: 'Timeout', message: `no answer in time (${cause.timeoutType})${before}` };
  }
  if (cause instanceof CancelledFailure) {
    return { knowledge: 'unknown', type: 'Cancelled', message: 'cancelled while it may have been running' };
  }
  return { knowledge: 'unknown', type: cause.name, message: cause.message };
}

/** A local activity may fail without the envelope that an ordinary one's failure comes in. */
function causeOf(error: TemporalFailure): Error {
  return (error instanceof ActivityFailure ? error.cause : undefined) ?? error;
}
