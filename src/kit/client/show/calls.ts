import type { DescribeWorkflowExecutionResponse } from '@temporalio/client';
import type { LoadedDataConverter, Payload, ProtoFailure } from '@temporalio/common';
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
  decodeUserMetadata,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import { optionalTsToDate, type Timestamp } from '@temporalio/common/lib/time.js';
import type { Branch, Op } from '../../workflow/branch.js';
import { judge } from '../../workflow/calls.js';
import type { FailureNote } from '../../workflow/failure.js';
import type { HistoryEvent } from './history.js';
import type { ShownCall } from './shown.js';

/** A call as it is put together from the events that tell of it. */
export type CallRecord = { -readonly [Key in keyof ShownCall]: ShownCall[Key] } & {
  /** The place of its branch in the transaction. */
  readonly seq: number;
  /** The branch's name; a local activity's marker does not tell it. */
  readonly branch?: string;
  readonly summary?: string;
  /** The activity's id, unique in its run. */
  readonly id: string;
  /** What the function was asked with; a local activity's marker does not tell it. */
  readonly input?: unknown;
};

type PendingActivity = NonNullable<DescribeWorkflowExecutionResponse['pendingActivities']>[number];

/** What the worker records of a local activity. */
interface LocalActivity {
  readonly attempt: number;
  readonly activity_id: string;
  readonly activity_type: string;
  readonly backoff: unknown;
  readonly original_schedule_time?: { readonly seconds: number; readonly nanos: number };
}

/** The calls of a transaction, read from its history event by event; other activities are passed over. */
export class CallLog {
  readonly #converter: LoadedDataConverter;
  /** By the id of the activity: calls are numbered in the order in which they were scheduled. */
  readonly #byActivity = new Map<string, CallRecord>();
  readonly #bySchedule = new Map<string, CallRecord>();
  /** The numbers of the activities that are not the first call of a branch. */
  readonly #others: number[] = [];

  constructor(converter: LoadedDataConverter) {
    this.#converter = converter;
  }

  get calls(): CallRecord[] {
    return [...this.#byActivity.values()];
  }

  async add(event: HistoryEvent): Promise<void> {
    const at = isoOf(event.eventTime);
    if (event.activityTaskScheduledEventAttributes) return this.#scheduled(event, at);
    if (event.markerRecordedEventAttributes) return this.#marked(event, at);
    const started = event.activityTaskStartedEventAttributes;
    if (started) {
      const call = this.#bySchedule.get(String(started.scheduledEventId));
      if (!call) return;
      call.attempts = started.attempt ?? 1;
      call.worker = started.identity ?? undefined;
      const note = await this.#note(started.lastFailure);
      if (note) call.lastFailure = note;
      return;
    }
    const completed = event.activityTaskCompletedEventAttributes;
    if (completed) return this.#ended(completed.scheduledEventId, at);
    const failed = event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes;
    if (failed) return this.#ended(failed.scheduledEventId, at, failed.failure);
    const cancelled = event.activityTaskCanceledEventAttributes;
    if (cancelled) return this.#ended(cancelled.scheduledEventId, at, { canceledFailureInfo: {} });
  }

  /** Adds what is known of the calls that are under way. */
  async addPending(pending: readonly PendingActivity[]): Promise<void> {
    for (const activity of pending) {
      const call = this.#byActivity.get(activity.activityId ?? '');
      if (!call || call.endedAt !== undefined) continue;
      const begun = activity.lastStartedTime != null;
      const state: number | null | undefined = activity.state;
      const waiting = state === 1; // scheduled: not with a worker
      call.state = waiting ? 'waiting' : 'running';
      // While it waits the number is that of the next attempt.
      call.attempts = (activity.attempt ?? 1) - (waiting || !begun ? 1 : 0);
      call.worker = activity.lastWorkerIdentity === '' ? undefined : (activity.lastWorkerIdentity ?? undefined);
      if (waiting && call.attempts > 0) call.nextAttemptAt = optionalTsToDate(activity.scheduledTime)?.toISOString();
      const note = await this.#note(activity.lastFailure);
      if (note) call.failure = note;
    }
  }

  async #scheduled(event: HistoryEvent, at: string): Promise<void> {
    const { activityId, activityType, input } = event.activityTaskScheduledEventAttributes ?? {};
    const [branch, asked] = await this.#decode(input?.payloads);
    if (activityId == null) return;
    if (!isBranch(branch) || this.calls.some(({ seq }) => seq === branch.seq)) this.#others.push(Number(activityId));
    if (!isBranch(branch)) return;
    const call: CallRecord = {
      id: activityId,
      input: asked,
      seq: branch.seq,
      branch: branch.branch,
      summary: await this.#summary(event),
      op: branch.op,
      function: activityType?.name ?? '',
      state: 'waiting',
      attempts: 0,
      startedAt: at,
    };
    this.#byActivity.set(activityId, call);
    this.#bySchedule.set(String(event.eventId), call);
  }

  /** A local activity leaves a marker when it ended, and one at each long pause between attempts. */
  async #marked(event: HistoryEvent, at: string): Promise<void> {
    const { markerName, details, failure } = event.markerRecordedEventAttributes ?? {};
    if (markerName !== 'core_local_activity') return;
    const [data] = await this.#decode(details?.data?.payloads);
    const { attempt, activity_id, activity_type, backoff, original_schedule_time } = data as LocalActivity;
    const error = await this.#error(failure);
    const waiting = backoff != null;
    const number = Number(activity_id);
    this.#byActivity.set(activity_id, {
      id: activity_id,
      // Calls are numbered, and so are branches: it is the first call of its branch.
      seq: number - this.#others.filter((other) => other < number).length,
      summary: await this.#summary(event),
      op: activity_type.slice(activity_type.lastIndexOf('.') + 1) as Op,
      function: activity_type,
      state: waiting ? 'waiting' : error ? judge(error).knowledge : 'succeeded',
      attempts: attempt,
      startedAt: original_schedule_time
        ? new Date(original_schedule_time.seconds * 1000 + original_schedule_time.nanos / 1e6).toISOString()
        : at,
      endedAt: waiting ? undefined : at,
      failure: error ? noteOf(error) : undefined,
    });
  }

  async #ended(scheduledEventId: unknown, at: string, failure?: ProtoFailure | null): Promise<void> {
    const call = this.#bySchedule.get(String(scheduledEventId));
    if (!call) return;
    const error = await this.#error(failure);
    call.state = error ? judge(error).knowledge : 'succeeded';
    call.endedAt = at;
    if (error) call.failure = noteOf(error);
  }

  async #error(failure: ProtoFailure | null | undefined): Promise<Error | undefined> {
    return failure == null ? undefined : decodeOptionalFailureToOptionalError(this.#converter, failure);
  }

  async #note(failure: ProtoFailure | null | undefined): Promise<FailureNote | undefined> {
    const error = await this.#error(failure);
    return error && noteOf(error);
  }

  async #decode(payloads: Payload[] | null | undefined): Promise<unknown[]> {
    return decodeArrayFromPayloads(this.#converter, payloads);
  }

  async #summary({ userMetadata }: HistoryEvent): Promise<string | undefined> {
    if (userMetadata == null) return undefined;
    return (await decodeUserMetadata(this.#converter, userMetadata)).staticSummary;
  }
}

export function noteOf(error: Error): FailureNote {
  const { type, message } = judge(error);
  return { type, message };
}

/** Whether an activity's first argument names a branch: then it is a participant's operation. */
function isBranch(value: unknown): value is Branch {
  if (typeof value !== 'object' || value === null) return false;
  const { gid, branch, op, seq } = value as Partial<Branch>;
  return typeof gid === 'string' && typeof branch === 'string' && typeof op === 'string' && typeof seq === 'number';
}

/** ISO 8601. */
export function isoOf(time: Timestamp | null | undefined): string {
  return optionalTsToDate(time)?.toISOString() ?? '';
}
