/**
 * Alarms: what tells people that a transaction needs them. Here is what an alarm is, the rules by which it is delivered,
 * and the names by which the raisers, the workflow that delivers, its activities and the command line meet. Pure.
 */

/**
 * What an alarm is about. A name of lower-case letters, digits and hyphens; whoever raises alarms may add kinds.
 * - `stuck`: a branch waits for a person.
 * - `failed`: a transaction ended neither completed nor undone, and no person has left it so.
 * - `deadline-near`: a transaction is not past its pivot, and 80 % of the time to its deadline is over.
 * - `desk-case-old`: nobody has decided a desk case for too long.
 * - `orphan`: the scan found a transaction whose run was ended from outside.
 * - `in-doubt`: a transaction is prepared, and was not ended for too long: it holds locks.
 * - `expired-hold`: a participant holds something that should have ended, and no transaction takes care of it.
 * - `dead-letter`: a message was given up, and holds up its key until a person decides.
 * - `message-late`: a message is tried on though its time window is over: its consumer says that it will be handled.
 * - `messages-held`: nothing of a stream can be delivered for longer than the window: the other side takes nothing.
 * - `participant-silent`: a participant of a state table gives no definite answer for as long as a row's rounds take.
 * - `messages-undelivered`: the scan found messages that wait for too long.
 * - `schedule`: a schedule fails, or has not run for too long.
 * - `event-refused`: a message for a state machine is illegal in its state, and its table does not say that it is ignored.
 * - `event-busy`: too many messages for a state machine wait: this one was not taken, and has to be sent again.
 * - `deadline-passed`: what a deadline of a state machine has run did not bring it on, as often as it was run.
 * - `deadline-failed`: what a deadline of a state machine fires was refused or undone; it is tried again.
 * - `entry-failed`: what began when a state was entered has failed, and its table names no event for that.
 * - `drift`: reconciliation found what does not agree, and no program may or could repair it.
 * - `test`: an operator asks whether alarms arrive.
 * - `summary`: alarms that were not delivered one by one; its data is an {@link AlarmSummary}.
 */
export type AlarmKind =
  | 'stuck'
  | 'failed'
  | 'deadline-near'
  | 'desk-case-old'
  | 'orphan'
  | 'in-doubt'
  | 'expired-hold'
  | 'dead-letter'
  | 'message-late'
  | 'messages-held'
  | 'participant-silent'
  | 'messages-undelivered'
  | 'schedule'
  | 'event-refused'
  | 'event-busy'
  | 'deadline-passed'
  | 'deadline-failed'
  | 'entry-failed'
  | 'drift'
  | 'test'
  | 'summary'
  // A kind of one's own, without losing the suggestions for those above.
  | (string & {});

/** Something that a person should know of. */
export interface Alarm {
  /**
   * What makes it one alarm, however often it is raised: derived from what it is about, such as
   * `order-7/<run id>/stuck/pay/1767225600000`. A random id is never recognized as a repetition.
   */
  readonly id: string;
  readonly kind: AlarmKind;
  /** The transaction that it is about, if it is about one. */
  readonly gid?: string;
  readonly branch?: string;
  /** When it came about, in milliseconds since 1970. */
  readonly at: number;
  /** One line for people. */
  readonly message: string;
  /** More, for programs: anything that JSON carries. */
  readonly data?: unknown;
}

/** At most so many alarms in a window that begins with the first of them. */
export interface AlarmRate {
  readonly most: number;
  readonly windowMs: number;
}

/** How alarms are delivered. They come with each alarm: the newest are in force. */
export interface AlarmRules {
  /** For each kind by itself. What is over it is told in one summary at the window's end. Default: 30 a minute */
  readonly rate?: AlarmRate;
  /** Instead of {@link rate}, for these kinds. */
  readonly rates?: Readonly<Record<string, AlarmRate>>;
  /** Alarms that may wait for their delivery; what comes when so many do is counted and told later. Default: 1,000 */
  readonly queue?: number;
  /**
   * How long the delivery of an alarm is tried, in milliseconds from its first failure: the next attempt after that which
   * fails is the last. Time without a worker ends nothing. Default: 24 hours
   */
  readonly giveUpMs?: number;
  /** Events of the history after which the workflow continues as new, if the server does not ask before. Default: 2,000 */
  readonly historyEvents?: number;
}

/** The rules where none are given. */
export const defaultAlarmRules = {
  rate: { most: 30, windowMs: 60_000 },
  rates: {},
  queue: 1_000,
  giveUpMs: 24 * 3_600_000,
  historyEvents: 2_000,
} as const satisfies Required<AlarmRules>;

/** Why alarms were not delivered one by one. */
export type NotDelivered = 'over-the-rate' | 'queue-full' | 'given-up' | 'refused';

/** The data of an alarm of kind `summary`. Times are milliseconds since 1970. */
export interface AlarmSummary {
  readonly reason: NotDelivered;
  /** The kind of the alarms that it tells of; `other` where there were too many kinds to tell apart. */
  readonly of: AlarmKind;
  readonly count: number;
  /** The transactions of the first of them, at most ten. */
  readonly gids: readonly string[];
  readonly from: number;
  readonly until: number;
}

/** What the workflow that delivers alarms says of itself. */
export interface AlarmsView {
  /** Alarms that are not settled: waiting, and being delivered. */
  readonly waiting: number;
  /** Those of them that have failed at least once and are waiting to be tried again. */
  readonly failing: number;
  /** Since it began, over all its runs. */
  readonly counts: AlarmCounts;
  /** What the next summaries will tell. */
  readonly untold: readonly AlarmSummary[];
}

/** What became of alarms. */
export interface AlarmCounts {
  /** Raised again, and known already. */
  readonly repeated: number;
  readonly delivered: number;
  readonly overTheRate: number;
  readonly queueFull: number;
  /** The receiver's definite no. */
  readonly refused: number;
  /** Not delivered in all the time there was. */
  readonly givenUp: number;
  /** Summaries that were delivered; they are in none of the other counts. */
  readonly summaries: number;
}

/** What became of a test alarm. */
export type TestedAlarm =
  /** `to`: what the sink calls itself, such as `https://alerts.example.com`. */
  { readonly delivered: true; readonly to: string } | { readonly delivered: false; readonly reason: string };

/** The type of the workflow that delivers alarms. */
export const DELIVER_ALARMS = 'deliverAlarms';

/** Its id, one a task queue: `backstitch-alarms` for the default one. Two systems in a namespace do not meet. */
export function alarmsWorkflowId(taskQueue: string): string {
  return `${taskQueue}-alarms`;
}

/** The signal that hands an {@link Alarm} over, with the {@link AlarmRules} that are in force from then on. */
export const ALARM_SIGNAL = 'alarm';
/** The update that delivers an {@link Alarm} at once, past the queue, and answers with a {@link TestedAlarm}. */
export const TEST_ALARM_UPDATE = 'testAlarm';
/** The query that answers with an {@link AlarmsView}. */
export const ALARMS_QUERY = 'alarms';

/** The activity that hands an alarm to the workflow. */
export const RAISE_ALARM = 'backstitch.raiseAlarm';
/** The activity that delivers an alarm, and resolves to what the sink calls itself. */
export const DELIVER_ALARM = 'backstitch.deliverAlarm';

/**
 * The types of a delivery's failure.
 * - `refused`: a definite no of the receiver to this alarm; it is not tried again.
 * - `failed`: anything else; the first detail may say {@link DeliveryFailedDetail}.
 */
export const deliveryFailure = { refused: 'AlarmRefused', failed: 'AlarmNotDelivered' } as const;

/** The first detail of a delivery that is tried again. */
export interface DeliveryFailedDetail {
  /** When the receiver wants to be asked again, in milliseconds from now. */
  readonly retryAfterMs?: number;
}
