import type { Client } from '@temporalio/client';
import type { LoadedDataConverter } from '@temporalio/common';
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import { tsToMs } from '@temporalio/common/lib/time.js';
import { RAISE_ALARM, type Alarm } from '../workflow/alarms.js';
import type { Branch } from '../workflow/branch.js';
import type { Came, EndedEffect } from '../workflow/state-machine/carried.js';
import { isLarge } from '../workflow/state-machine/core.js';
import { branchOf } from '../workflow/state-machine/ids.js';
import type { Job } from '../workflow/state-machine/jobs.js';
import {
  DEADLINE_UPDATE,
  EVENT_SIGNAL,
  type DeadlineNote,
  type EffectOrder,
  type RunOrder,
} from '../workflow/state-machine/protocol.js';
import { AWAIT_SAGA, endOf, type SagaEnd } from '../workflow/state-machine/saga-end.js';

/**
 * What the history of a machine's run tells that was ended from outside.
 *
 * What has come it had seen to by the end of a workflow task with which nothing was under way, no saga of a transition, no call for its row: as
 * it takes what waits one after the other, and without a pause, nothing that had come before such a task waits any more. Nor is anything held
 * for the next run, which begins then, unless alarms have to be handed over first: those are waited for, too.
 */
export interface EndedMachine {
  /** What it was started with. */
  readonly args: readonly unknown[];
  /** Whether it had done anything: what it was started with is known by what has become of it, then. */
  readonly hasBegun: boolean;
  /** Whether it had, with nothing under way: what it was to go on with has ended, and is known by its end. */
  readonly wasIdle: boolean;
  /** Sagas of transitions whose end it had not seen. */
  readonly effects: readonly EffectOrder[];
  /** Sagas of transitions that it had asked for, and of which it had not heard whether they were started. */
  readonly asked: readonly EffectOrder[];
  readonly ends: readonly EndedEffect[];
  /** By the id of the saga: the ends of those that a run before had begun. */
  readonly watched: ReadonlyMap<string, SagaEnd>;
  /** What deadlines and entered states had begun, and had not ended, or whose end it may not have seen to: asked again it is the same. */
  readonly jobs: readonly Job[];
  /** The keys of all that they had begun. */
  readonly begun: ReadonlySet<string>;
  /** Messages that had come, and that it may not have seen to. */
  readonly messages: readonly Came[];
  /** The ids of messages that it had refused. */
  readonly refused: readonly string[];
  readonly moved: readonly DeadlineNote[];
  /** Alarms that were not handed over. */
  readonly alarms: readonly Alarm[];
  /** Why it was terminated, as whoever did so says; empty: it was not. */
  readonly reason: string;
}

type Decode = (payloads: Parameters<typeof decodeArrayFromPayloads>[1]) => Promise<unknown[]>;

type History = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>;
type Event = NonNullable<History['events']>[number];
type Id = Event['eventId'];

/** Something that a run has begun, from the task that did so until it is told of the end. */
interface Begun {
  readonly by: number;
  /** What waits for it is nothing that is beside the machine's events. */
  readonly holds: boolean;
  readonly gid?: string;
  readonly effect?: EffectOrder;
  readonly job?: Job;
  readonly alarm?: Alarm;
  started?: true;
  ended?: number;
  end?: SagaEnd;
}

/** The server has no history of a run any more. */
export class HistoryGone extends Error {}

/** Reads it, event by event. @throws HistoryGone; what the server says */
export async function readEndedMachine(
  client: Client,
  { workflowId, runId }: { readonly workflowId: string; readonly runId: string },
): Promise<EndedMachine> {
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  const reading = new Reading(workflowId, client.options.loadedDataConverter);
  for (const event of events ?? []) await reading.take(event);
  if (reading.args === undefined) {
    throw new HistoryGone(`the history of run ${runId} of ${workflowId} is gone: it cannot be settled`);
  }
  return reading.ended(reading.args);
}

class Reading {
  readonly #id: string;
  readonly #converter: LoadedDataConverter;
  readonly #decode: Decode;
  args: unknown[] | undefined;
  #reason = '';
  readonly #begun = new Map<number, Begun>();
  /** Its tasks that were completed: when each began, and when it ended. */
  readonly #tasks: { readonly began: number; readonly ended: number }[] = [];
  #began = 0;
  readonly #messages: { readonly place: number; readonly came: Came }[] = [];
  readonly #moves = new Set<string>();
  readonly #moved: DeadlineNote[] = [];

  constructor(id: string, converter: LoadedDataConverter) {
    this.#id = id;
    this.#converter = converter;
    this.#decode = (payloads) => decodeArrayFromPayloads(converter, payloads);
  }

  async take(event: Event): Promise<void> {
    const place = number(event.eventId);
    const started = event.workflowExecutionStartedEventAttributes;
    if (started != null) this.args = await this.#decode(started.input?.payloads);
    const task = event.workflowTaskCompletedEventAttributes;
    if (event.workflowTaskStartedEventAttributes != null) this.#began = place;
    if (task != null) this.#tasks.push({ began: this.#began, ended: place });
    this.#reason = event.workflowExecutionTerminatedEventAttributes?.reason ?? this.#reason;
    const signal = event.workflowExecutionSignaledEventAttributes;
    if (signal?.signalName === EVENT_SIGNAL) {
      const [message] = await this.#decode(signal.input?.payloads);
      this.#messages.push({ place, came: { at: tsToMs(event.eventTime), message } });
    }
    await this.#deadline(event);
    await this.#child(event, place);
    await this.#activity(event, place);
  }

  ended(args: readonly unknown[]): EndedMachine {
    const all = [...this.#begun.values()];
    const idle = this.#tasks.findLast(
      ({ began, ended }) => !all.some((each) => each.holds && each.by <= ended && (each.ended ?? Infinity) > began),
    );
    const watched = new Map(
      all.flatMap(({ gid, effect, end }) => (gid && end && effect === undefined ? [[gid, end] as const] : [])),
    );
    const effects = all.flatMap(({ effect, started, end, gid = '' }) =>
      effect && started ? [{ effect, end: end ?? watched.get(gid) }] : [],
    );
    const alarms = all.flatMap(({ alarm, ended }) => (alarm ? [{ alarm, isDone: ended !== undefined }] : []));
    const since = idle?.began ?? 0;
    const refused = alarms.flatMap(({ alarm }) => refusedOf(this.#id, alarm));
    const open = all.filter(({ ended }) => ended === undefined || ended > since);
    const isOpen = (each: Begun) => open.some((other) => other === each || (each.gid && other.gid === each.gid));
    return {
      ...{ args, hasBegun: this.#tasks.length > 0, wasIdle: idle !== undefined, watched },
      effects: effects.flatMap(({ effect, end }) => (end === undefined ? [effect] : [])),
      asked: all.flatMap(({ effect, started }) => (effect && !started ? [effect] : [])),
      ends: effects.flatMap(({ effect, end }) => (end === undefined ? [] : [endedEffect(effect, end)])),
      // One whose event was refused, which people were told, has ended with that.
      jobs: all.flatMap((each) => (each.job && isOpen(each) && !refused.includes(each.job.key) ? [each.job] : [])),
      begun: new Set(all.flatMap(({ job }) => (job ? [job.key] : []))),
      messages: this.#messages.flatMap(({ place, came }) => (place > since ? [came] : [])),
      refused,
      moved: this.#moved,
      reason: this.#reason,
      alarms: alarms.flatMap(({ alarm, isDone }) => (isDone ? [] : [alarm])),
    };
  }

  async #deadline(event: Event): Promise<void> {
    const request = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest;
    if (request?.input?.name === DEADLINE_UPDATE) this.#moves.add(request.meta?.updateId ?? '');
    const done = event.workflowExecutionUpdateCompletedEventAttributes;
    if (!this.#moves.has(done?.meta?.updateId ?? '') || done?.outcome?.success == null) return;
    const [note] = (await this.#decode(done.outcome.success.payloads)) as [DeadlineNote];
    this.#moved.push(note);
  }

  async #child(event: Event, place: number): Promise<void> {
    const initiated = event.startChildWorkflowExecutionInitiatedEventAttributes;
    if (initiated != null) {
      const [order] = (await this.#decode(initiated.input?.payloads)) as [Partial<EffectOrder & RunOrder> | undefined];
      const gid = initiated.workflowId ?? '';
      const effect = order?.move === undefined ? undefined : (order as EffectOrder);
      const job = effect === undefined ? this.#jobOf(order, gid.slice(this.#id.length + 1)) : undefined;
      const by = this.#lastTask;
      this.#begun.set(place, { by, holds: job === undefined, gid, effect, job });
      return;
    }
    const started = event.childWorkflowExecutionStartedEventAttributes;
    if (started != null) this.#of(started.initiatedEventId, (child) => (child.started = true));
    // It was there already: the run has waited for it by an activity.
    const refused = event.startChildWorkflowExecutionFailedEventAttributes;
    if (refused != null) {
      this.#of(refused.initiatedEventId, (child) => {
        Object.assign(child, { started: true, ended: place });
      });
    }
    const done = event.childWorkflowExecutionCompletedEventAttributes;
    if (done != null) {
      const [result] = await this.#decode(done.result?.payloads);
      this.#ended(done.initiatedEventId, place, { how: 'committed', result });
    }
    const failed = event.childWorkflowExecutionFailedEventAttributes;
    if (failed != null) {
      const error = await decodeOptionalFailureToOptionalError(this.#converter, failed.failure);
      this.#ended(failed.initiatedEventId, place, error && { how: 'ended', ...endOf(error) });
    }
    const cut =
      event.childWorkflowExecutionTerminatedEventAttributes ??
      event.childWorkflowExecutionTimedOutEventAttributes ??
      event.childWorkflowExecutionCanceledEventAttributes;
    if (cut != null) this.#ended(cut.initiatedEventId, place);
  }

  async #activity(event: Event, place: number): Promise<void> {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled != null) {
      const by = this.#lastTask;
      const args = await this.#decode(scheduled.input?.payloads);
      const type = scheduled.activityType?.name;
      if (type === RAISE_ALARM) this.#begun.set(place, { by, holds: true, alarm: args[0] as Alarm });
      else if (type === AWAIT_SAGA) {
        const gid = args[0] as string;
        // What an entered state began is waited for beside the machine's events.
        const isJob = [...this.#begun.values()].some((each) => each.job !== undefined && each.gid === gid);
        this.#begun.set(place, { by, holds: !isJob, gid });
      } else {
        const [branch, order] = args as [Partial<Branch> | undefined, Partial<RunOrder> | undefined];
        const job = this.#jobOf(order, branch?.branch ?? '');
        this.#begun.set(place, { by, holds: job === undefined, job });
      }
      return;
    }
    const done = event.activityTaskCompletedEventAttributes;
    if (done != null) {
      const known = this.#begun.get(number(done.scheduledEventId));
      const [value] = await this.#decode(done.result?.payloads);
      const end = known?.job === undefined ? (value as SagaEnd | null) : ({ how: 'committed', result: value } as const);
      this.#ended(done.scheduledEventId, place, known?.gid || known?.job ? (end ?? undefined) : undefined);
    }
    const failed =
      event.activityTaskFailedEventAttributes ??
      event.activityTaskTimedOutEventAttributes ??
      event.activityTaskCanceledEventAttributes;
    if (failed != null) this.#ended(failed.scheduledEventId, place);
  }

  /** What a task has asked for comes right after it. Not every server says in the events which one that was. */
  get #lastTask(): number {
    return this.#tasks.at(-1)?.ended ?? 0;
  }

  #ended(id: Id, place: number, end?: SagaEnd): void {
    this.#of(id, (each) => {
      each.ended = place;
      if (end !== undefined) each.end = end;
    });
  }

  #of(id: Id, then: (each: Begun) => void): void {
    const each = this.#begun.get(number(id));
    if (each !== undefined) then(each);
  }

  /** What an order is of that is no transition's, if it is one of a deadline or an entered state. */
  #jobOf(order: Partial<RunOrder> | undefined, key: string): Job | undefined {
    const { why, state, version, round, entered } = order ?? {};
    if (why === undefined || why === 'begin' || state === undefined || version === undefined) return undefined;
    const kind = why === state && key === `${state}.${version}` ? 'entry' : 'deadline';
    return { kind, name: why, state, version, round: round ?? 1, key, ...(entered && { entered }) };
  }
}

/** The id of a saga of a transition. */
export function gidOf({ id, move }: EffectOrder): string {
  return `${id}.${branchOf(move)}`;
}

export function endedEffect({ move: given }: EffectOrder, end: SagaEnd): EndedEffect {
  const move = { ...given, input: undefined };
  if (end.how === 'committed') return { move, ...(!isLarge(end.result) && { result: end.result }) };
  return { move, failure: end.failure, ...(end.report?.state === 'failed' && { wasLeft: true }) };
}

function refusedOf(id: string, { kind, id: alarm }: Alarm): string[] {
  const prefix = `${id}/event-refused/`;
  return kind === 'event-refused' && alarm.startsWith(prefix) ? [alarm.slice(prefix.length)] : [];
}

function number(id: Id): number {
  return Number(id ?? 0);
}
