import type { FailureNote } from '../failure.js';

/**
 * The words by which a machine's workflow, its callers, its rows and its effects meet. Pure data: all of it travels as JSON. Times are
 * milliseconds since 1970.
 */

/** The update that moves a machine: takes an {@link EventOrder}, answers with an {@link EventAnswer}. */
export const EVENT_UPDATE = 'event';
/** The signal that does the same for messages: takes a {@link MachineMessage}. */
export const EVENT_SIGNAL = 'event';
/** The update that moves a deadline: takes a {@link DeadlineOrder}, answers with a {@link DeadlineNote}. */
export const DEADLINE_UPDATE = 'moveDeadline';
/** The signal that has it continue as new as soon as nothing is under way: the next run goes by the newest table. */
export const WAKE_SIGNAL = 'wake';
/** The query that answers with a {@link MachineView}. */
export const MACHINE_QUERY = 'machine';

/**
 * Types of the failures that an update of a machine ends with; the first detail of each is a {@link Refusal}.
 * - `IllegalTransition`: the event is not legal now, or the table's guard refuses it. Nothing changed.
 * - `OtherRequest`: the request id was used for another event.
 * - `Busy`: too many events wait for their turn; nothing of this one is kept.
 * - `InvalidEvent`: what was given is no event, or more than fits.
 * - `TransitionUndone`: its effects were undone, or the row's own service refused them; the state is unchanged, `cause` says why.
 * - `MovedNothing`: its effects are done, and the row has not moved: somebody has decided at the desk that it had. People are told.
 * - `TransitionUnderWay`: another transition, or this one, has not ended for long; it goes on. The same request id asks for it again.
 */
export const machineFailure = {
  illegal: 'IllegalTransition',
  other: 'OtherRequest',
  busy: 'Busy',
  invalid: 'InvalidEvent',
  undone: 'TransitionUndone',
  unmoved: 'MovedNothing',
  underWay: 'TransitionUnderWay',
} as const;

/** What a refusal says besides its text. */
export interface Refusal {
  readonly state?: string;
  /** The events that would be legal. */
  readonly legal?: readonly string[];
  /** The transaction of the effects, if it is about one. */
  readonly gid?: string;
  /** It was refused by an earlier table than the newest: after `wake` the newest is asked. */
  readonly outdated?: true;
  /** It is about to continue as new, which events that keep coming have held up: the next run is asked. */
  readonly renewing?: true;
  /** Why it came to nothing, if a service said so. */
  readonly cause?: FailureNote;
}

/** Who asks, and why: kept with the transition. */
export interface By {
  readonly actor: string;
  readonly reason?: string;
}

/** An event for a machine. */
export interface EventOrder {
  readonly event: string;
  /**
   * What makes it one event, however often it is sent: up to 100 letters, digits and `._:-`. Absent: an event that is legal now is a new one,
   * unless the same one is under way; one that is not, and was the last to have happened, is answered as it was then.
   */
  readonly requestId?: string;
  /** What the effects get. */
  readonly input?: unknown;
  readonly by?: By;
}

/** What became of an event. */
export interface EventAnswer {
  readonly event: string;
  readonly requestId: string;
  readonly from: string;
  /** The state that it led to; the machine may be elsewhere by now. */
  readonly to: string;
  /** How often the machine has moved, this one included. */
  readonly version: number;
  readonly at: number;
  /** What its effects returned, or what the guarded move of the row did. */
  readonly result?: unknown;
}

/** An event that comes as a message: at least once, in any order. */
export interface MachineMessage extends Omit<EventOrder, 'requestId'> {
  /** The message's own id, up to 500 characters: a second one of the same id is dropped. What has a longer one is no message. */
  readonly id: string;
}

/** What a table's guard is asked with. */
export interface GuardOrder {
  readonly id: string;
  readonly state: string;
  readonly event: string;
  readonly input?: unknown;
  /** What the machine was started with. */
  readonly data?: unknown;
  readonly by?: By;
}

/** The guarded move of the row: what `machineRows` of `backstitch/database` takes. */
export interface MoveOrder {
  readonly id: string;
  readonly event: string;
  readonly requestId: string;
  readonly from: string;
  readonly to: string;
  /** How often the row had moved when the machine last saw it. */
  readonly version: number;
  /** When it was decided, by the workflow's clock. */
  readonly at: number;
  readonly input?: unknown;
  readonly by?: By;
}

/** Where a row is. */
export interface RowState {
  readonly state: string;
  /** How often it has moved. */
  readonly version: number;
  /** When it moved last; absent: never, or not kept. */
  readonly since?: number;
}

/** What the guarded move answers: to a request that was made before, what it was answered then. */
export interface Moved extends RowState {
  readonly from: string;
  readonly since: number;
  /** What the work beside the move returned. */
  readonly result?: unknown;
}

/** What is asked of a row. */
export interface ReadOrder {
  readonly id: string;
  /** Which of its moves are wanted too: the newest so many. Default: none */
  readonly moves?: number;
}

/** A row as it is read, with its newest moves, the oldest of them first. */
export interface ReadRow extends RowState {
  /** What guards and effects get of a machine that was started without any: by a message, after its run was ended from outside. */
  readonly data?: unknown;
  readonly moves: readonly Pick<EventAnswer, 'event' | 'requestId' | 'from' | 'to' | 'version' | 'at'>[];
}

/** What the rejection of a move that lost its race is called; its message says where the row is. */
export const MOVED_ELSEWHERE = 'MovedElsewhere';
/** What the rejection of a move is called whose row is not there. */
export const NO_ROW = 'NoSuchRow';

/** What the saga of a transition gets. Its pivot gives {@link move} to the guarded move of the row. */
export interface EffectOrder<Data = unknown, Input = unknown> {
  readonly id: string;
  readonly event: string;
  readonly requestId: string;
  readonly from: string;
  readonly to: string;
  readonly input: Input;
  readonly by?: By;
  readonly data: Data;
  readonly move: MoveOrder;
}

/** What the saga or the operation gets that a deadline or an entered state runs. */
export interface RunOrder<Data = unknown> {
  readonly id: string;
  /** The deadline's name, or the state that was entered. */
  readonly why: string;
  readonly state: string;
  readonly version: number;
  /** 1 for the first time. */
  readonly round: number;
  readonly data: Data;
  /** The transition by which the state was entered: its event and input. */
  readonly entered?: { readonly event: string; readonly input?: unknown; readonly by?: By };
}

/** What moves a deadline: give `to`, or `by`. */
export interface DeadlineOrder {
  readonly name: string;
  /** What makes it one order, however often it is sent, as that of an event: for as long as its note is kept. Default: each is a new one */
  readonly requestId?: string;
  /** Its new time. */
  readonly to?: number;
  /** So many milliseconds later; less than 0: earlier. */
  readonly byMs?: number;
  readonly actor: string;
  readonly reason: string;
}

/** A deadline that was moved. */
export interface DeadlineNote {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly actor: string;
  readonly reason: string;
  readonly at: number;
  /** The move with which it had begun: with its name it is one deadline, also where a state comes again. */
  readonly version: number;
  readonly requestId?: string;
}

/** A deadline that runs. */
export interface DeadlineView {
  readonly name: string;
  readonly at: number;
  /** What will happen then. */
  readonly then: string;
  /** How often it has run. */
  readonly rounds: number;
}

/** What is under way. */
export interface UnderWay {
  readonly event: string;
  readonly requestId: string;
  readonly from: string;
  readonly to: string;
  readonly since: number;
  /** The transaction of its effects, if it has any. */
  readonly gid?: string;
}

/** A message that was refused. */
export interface RefusedMessage extends FailureNote {
  readonly id: string;
  readonly event: string;
  readonly state: string;
  readonly at: number;
}

/** A machine, as its workflow sees it. */
export interface MachineView {
  readonly id: string;
  readonly machine: string;
  /** Absent: it has not begun yet. */
  readonly state?: string;
  readonly mainState?: string;
  readonly subState?: string;
  readonly version: number;
  readonly since: number;
  readonly final: boolean;
  /** The events that are legal now. */
  readonly legal: readonly string[];
  readonly deadlines: readonly DeadlineView[];
  /** Deadlines that were moved, the oldest first. */
  readonly moved: readonly DeadlineNote[];
  readonly underWay?: UnderWay;
  /** Events that wait for their turn. */
  readonly waiting: number;
  /** What a state's entry began and has not ended: its transaction, or its operation. */
  readonly running: readonly string[];
  /** The last transitions, the oldest first. */
  readonly transitions: readonly EventAnswer[];
  /** The last messages that were refused, the oldest first. */
  readonly refused: readonly RefusedMessage[];
  /** How often the row was found elsewhere than the machine believed. */
  readonly resynced: number;
  /** How often it has continued as new. */
  readonly runs: number;
}

/** What a machine's workflow ends with, in a final state. */
export interface MachineResult {
  readonly state: string;
  readonly version: number;
  readonly since: number;
  /** The last transitions, the oldest first: what their request ids are answered with still. */
  readonly transitions: readonly EventAnswer[];
}

/** What a machine's workflow is started with. */
export interface MachineStart<Data = unknown> {
  /** What guards and effects get. */
  readonly data: Data;
}
