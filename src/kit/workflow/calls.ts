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
import { localProfiles, retryProfiles, type RetryProfile } from './retry.js';
import type { Lane } from './saga/definition.js';
import type { Call, Judgement } from './saga/driver.js';

/**
 * How a workflow calls a participant, and the one place where the answer is judged.
 */

const WAIT = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

/**
 * Calls an operation as an ordinary activity.
 *
 * @param limitMs milliseconds in which the call, its retries included, has to be done
 * @param figures default: those of the call's profile
 */
export function callActivity(
  call: Call,
  limitMs?: number,
  figures: RetryProfile = retryProfiles[call.profile],
): Promise<unknown> {
  const { profile, summary, options } = call;
  const retries = profile === 'action' || profile === 'checkBack' ? options.retries : undefined;
  const attemptMs = options.timeout === undefined ? figures.startToCloseMs : msToNumber(options.timeout);
  return send(
    call,
    proxyActivities({
      // Of two timeouts that end at once Temporal may report the one after which it retries.
      startToCloseTimeout: limitMs !== undefined && limitMs <= attemptMs ? undefined : attemptMs,
      scheduleToCloseTimeout: limitMs,
      // Tells a call that no worker has begun from one that was begun and did not end.
      scheduleToStartTimeout: limitMs === undefined ? undefined : Math.max(Math.floor(limitMs * 0.9), 1),
      heartbeatTimeout: figures.heartbeatMs,
      cancellationType: WAIT,
      retry: retries === undefined ? figures.retry : { ...figures.retry, maximumAttempts: retries + 1 },
      summary,
    }),
  );
}

/** Makes a call for a whole window; one in which no worker was there does not count. */
export function callPatiently(call: Call, windowMs: number): Promise<unknown> {
  return callActivity(call, windowMs).catch((error: unknown) => {
    if (wasNeverTried(error)) return callPatiently(call, windowMs);
    throw error;
  });
}

/** A call that the lean lane tries as a local activity first. */
export type LocalCall = Call & { readonly profile: keyof typeof localProfiles };

/** Whether a call is tried as a local activity first. */
export function isTriedLocally(call: Call, lane: Lane): call is LocalCall {
  return lane === 'lean' && call.options.long !== true && call.profile in localProfiles;
}

/** How long a local activity has for all its attempts, in milliseconds: no longer than one attempt may take at all. */
export function localMs({ profile, options }: LocalCall): number {
  const { withinMs } = localProfiles[profile];
  return options.timeout === undefined ? withinMs : Math.min(withinMs, msToNumber(options.timeout));
}

/** Calls an operation as a local activity, which ends within {@link localMs}, and within `limitMs`. */
export function callLocally(call: LocalCall, limitMs = Infinity): Promise<unknown> {
  const { profile, summary } = call;
  const { retry } = localProfiles[profile];
  return send(
    call,
    proxyLocalActivities({
      // A timeout of one attempt would be followed by the next.
      scheduleToCloseTimeout: Math.min(localMs(call), limitMs),
      cancellationType: WAIT,
      retry: { ...retry, maximumAttempts: localAttempts(call) },
      summary,
    }),
  );
}

/** A later error may be for lack of time: the guard waits for a lock for 40 % of what an attempt has. */
const QUICK = 1 / 3;

/**
 * How a step goes on that a local activity has not brought to an end: as an ordinary activity, with the attempts that
 * are left. What was cut short, as a local activity has less time than the step, does not count as one.
 *
 * @param tookMs how long the local activity took
 * @returns undefined when the failure is final
 */
export function callMoved(call: LocalCall, error: unknown, tookMs: number): Promise<unknown> | undefined {
  if (judge(error).knowledge === 'rejected' || isFinal(error)) return undefined;
  const { timeout, retries = retryProfiles.action.retry.maximumAttempts - 1 } = call.options;
  const overdue = isOverdue(error);
  const hadLess = localMs(call) < (timeout === undefined ? retryProfiles.action.startToCloseMs : msToNumber(timeout));
  const cutShort = hadLess && (overdue || tookMs >= localMs(call) * QUICK);
  const made = cutShort ? 0 : overdue ? 1 : localAttempts(call);
  if (made > retries) return undefined;
  const rest: Call = { ...call, options: { ...call.options, retries: retries - made } };
  return callActivity(rest, undefined, overdue || cutShort ? retryProfiles.action : retryProfiles.moved);
}

function localAttempts({ profile, options }: LocalCall): number {
  const { maximumAttempts } = localProfiles[profile].retry;
  return profile === 'action' && options.retries !== undefined
    ? Math.min(maximumAttempts, options.retries + 1)
    : maximumAttempts;
}

function send({ branch, operation, args }: Call, proxy: Record<string, Asked>): Promise<unknown> {
  const name = `${operation}.${branch.op}`;
  const activity = proxy[name];
  if (activity === undefined) throw new TypeError(`activity ${name} cannot be called`);
  return activity(branch, ...args);
}

type Asked = (...args: unknown[]) => Promise<unknown>;

/** Whether a call was cancelled, or failed so that asking again changes nothing. */
function isFinal(error: unknown): boolean {
  const cause = error instanceof TemporalFailure ? causeOf(error) : undefined;
  if (cause instanceof ApplicationFailure) return cause.nonRetryable === true && cause.type !== OVERDUE;
  return cause instanceof CancelledFailure;
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
