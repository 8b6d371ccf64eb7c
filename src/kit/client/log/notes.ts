import type { LoadedDataConverter } from '@temporalio/common';
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { FailureNote } from '../../workflow/failure.js';
import { CONFIRM_UPDATE, WITHDRAW_UPDATE } from '../../workflow/message/protocol.js';
import type { FoundState } from '../list.js';
import { CallLog, isoOf, noteOf, type CallRecord } from '../show/calls.js';
import type { HistoryEvent } from '../show/history.js';

/** What a run's history tells that no guard's row does. Inputs are not masked yet. */
export interface HistoryNote {
  /** The call or the event, unique in its run. */
  readonly item: string;
  readonly seq?: number;
  readonly branch?: string;
  readonly op: string;
  readonly outcome: string;
  readonly function?: string;
  readonly input?: unknown;
  readonly result?: unknown;
  readonly failure?: FailureNote;
  readonly who?: string;
  readonly attempt?: number;
  readonly beganAt: string;
  readonly endedAt?: string;
  /** Nothing about it changes any more. */
  readonly final: boolean;
}

/**
 * The updates by which people decide, and those by which the producer of a message speaks. What they carry is taken as it is; `actor`, if
 * there, is who decided.
 */
const DECISIONS = ['decide', 'operate', CONFIRM_UPDATE, WITHDRAW_UPDATE];

/** Rejections that no guard's row tells of: it is another input's row, or the bar of an undo. */
const NOT_IN_GUARD = ['InputMismatch', 'Suspended'];

type Draft = { -readonly [Key in keyof HistoryNote]: HistoryNote[Key] };

/** Reads a run's history, event by event. */
export class NoteLog {
  readonly calls: CallLog;
  readonly #converter: LoadedDataConverter;
  /** By the event that began it. */
  readonly #notes = new Map<string, Draft>();

  constructor(converter: LoadedDataConverter) {
    this.#converter = converter;
    this.calls = new CallLog(converter);
  }

  /** @param closed whether the run has ended: of a call that was under way then nothing is known, nor will be */
  notes(closed: boolean): HistoryNote[] {
    const calls = this.calls.calls.filter(tellsMore).map(noteOfCall);
    return [
      ...calls.map((call) => (closed && !call.final ? { ...call, outcome: 'unknown', final: true } : call)),
      ...this.#notes.values(),
    ];
  }

  /** @param state of the transaction, once its run has ended by itself */
  async add(event: HistoryEvent, state: FoundState): Promise<void> {
    await this.calls.add(event);
    const at = isoOf(event.eventTime);
    const cancel = event.workflowExecutionCancelRequestedEventAttributes;
    if (cancel) {
      const input = cancel.cause ? { reason: cancel.cause } : undefined;
      this.#note(event, { op: 'cancel-request', outcome: 'accepted', who: text(cancel.identity), input, endedAt: at });
    }
    if (event.workflowExecutionUpdateAcceptedEventAttributes) await this.#accepted(event);
    if (event.workflowExecutionUpdateCompletedEventAttributes) await this.#answered(event, at);
    await this.#ended(event, at, state);
  }

  #note(event: HistoryEvent, note: Pick<HistoryNote, 'op' | 'outcome'> & Partial<HistoryNote>): void {
    const id = String(event.eventId);
    this.#notes.set(id, { item: `event ${id}`, beganAt: isoOf(event.eventTime), final: true, ...note });
  }

  async #accepted(event: HistoryEvent): Promise<void> {
    const { input, meta } = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest ?? {};
    const name = input?.name ?? '';
    if (!DECISIONS.includes(name)) return;
    const args = await decodeArrayFromPayloads(this.#converter, input?.args?.payloads);
    const asked = args.length > 1 ? args : args[0];
    const { actor, branch } = (asked ?? {}) as { actor?: unknown; branch?: unknown };
    this.#note(event, {
      op: name,
      outcome: 'accepted',
      branch: text(branch),
      input: asked,
      who: text(actor) ?? text(meta?.identity),
      final: false,
    });
  }

  async #answered(event: HistoryEvent, at: string): Promise<void> {
    const { acceptedEventId, outcome } = event.workflowExecutionUpdateCompletedEventAttributes ?? {};
    const note = this.#notes.get(String(acceptedEventId));
    if (note === undefined) return;
    const failure = await decodeOptionalFailureToOptionalError(this.#converter, outcome?.failure);
    note.outcome = failure ? 'failed' : 'done';
    if (failure) note.failure = noteOf(failure);
    else [note.result] = await decodeArrayFromPayloads(this.#converter, outcome?.success?.payloads);
    note.endedAt = at;
    note.final = true;
  }

  /** How the run ended: by itself, with the transaction's state, or from outside. */
  async #ended(event: HistoryEvent, at: string, state: FoundState): Promise<void> {
    const end = (outcome: string, note: Partial<HistoryNote> = {}) => {
      this.#note(event, { op: 'end', outcome, endedAt: at, ...note });
    };
    const terminated = event.workflowExecutionTerminatedEventAttributes;
    if (terminated) {
      const failure = { type: 'Terminated', message: terminated.reason ?? '' };
      end('terminated', { who: text(terminated.identity), failure });
    }
    const failed = event.workflowExecutionFailedEventAttributes;
    if (failed) {
      const error = await decodeOptionalFailureToOptionalError(this.#converter, failed.failure);
      end(state === 'running' ? 'failed' : state, { failure: error && noteOf(error) });
    }
    const completed = event.workflowExecutionCompletedEventAttributes;
    if (completed) {
      const [result] = await decodeArrayFromPayloads(this.#converter, completed.result?.payloads);
      end(state, { result });
    }
    if (event.workflowExecutionTimedOutEventAttributes) end('timed-out');
    if (event.workflowExecutionCanceledEventAttributes) end('cancelled');
    if (event.workflowExecutionContinuedAsNewEventAttributes) end('continued');
  }
}

/** Whether a call's history tells more than the guard's row: what failed, is on its way, or was not decided by a guard. */
function tellsMore({ state, attempts, failure, lastFailure }: CallRecord): boolean {
  if (state === 'succeeded') return attempts > 1;
  if (state !== 'rejected') return true;
  return attempts > 1 || lastFailure !== undefined || NOT_IN_GUARD.includes(failure?.type ?? '');
}

function noteOfCall(call: CallRecord): HistoryNote {
  const { id, seq, branch, op, state, input, attempts, startedAt, endedAt } = call;
  return {
    item: `call ${id}`,
    seq,
    branch,
    op,
    outcome: state,
    function: call.function,
    input,
    failure: call.failure ?? call.lastFailure,
    who: call.worker,
    attempt: attempts,
    beganAt: startedAt,
    endedAt,
    final: endedAt !== undefined,
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
