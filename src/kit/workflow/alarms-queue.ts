import {
  defaultAlarmRules,
  type Alarm,
  type AlarmCounts,
  type AlarmRate,
  type AlarmRules,
  type AlarmsView,
  type NotDelivered,
} from './alarms.js';
import { AlarmTallies } from './alarms-tallies.js';

/**
 * Which alarm is delivered when, as plain rules: no Temporal, no clock of its own.
 *
 * There are two lanes, so that neither a receiver that is down nor an alarm that it cannot digest holds up the others.
 * An alarm's first attempt is made at once, a few at a time. One that failed goes to the end of the second lane, where
 * one is tried at a time: after a failure the lane pauses, longer each time; after any success there is no pause. So a
 * receiver that is down is asked every five minutes, however many alarms wait, and gets them all as soon as it answers.
 */

/** First attempts that are made at the same time. */
const FIRST_ATTEMPTS = 4;
/** The pause after the first failure, doubled with each, in milliseconds. */
const PAUSE_MS = 1_000;
/** The longest pause, and the longest that a receiver's own wish to wait is followed. */
const LONGEST_PAUSE_MS = 5 * 60_000;
/** Ids that are remembered. */
const REMEMBERED = 3_000;
/** What all waiting alarms may take as JSON, in bytes: with what is remembered they are the next run's input, of 2 MB. */
const LARGEST = 1_000_000;
/** Kinds whose windows are kept apart. */
const KINDS = 50;

/** An alarm on its way. */
export interface Waiting {
  readonly alarm: Alarm;
  /** Attempts that were begun. */
  attempts: number;
  /** From when on its time counts, in milliseconds: its first failure. Before that: when it was taken. */
  since: number;
}

/** In which alarms of a kind are counted. */
interface Window {
  readonly until: number;
  taken: number;
  over: number;
}

/** All that a run of the workflow hands to the next: plain data. */
export interface AlarmsState {
  readonly rules: AlarmRules;
  readonly first: readonly Waiting[];
  readonly again: readonly Waiting[];
  /** The oldest first. */
  readonly remembered: readonly string[];
  readonly windows: readonly (readonly [string, Window])[];
  readonly tallies: ReturnType<AlarmTallies['state']>;
  readonly counts: AlarmCounts;
  readonly pauses: number;
  readonly againAt: number;
  readonly holdUntil: number;
}

type Counts = { -readonly [Name in keyof AlarmCounts]: AlarmCounts[Name] };

const nothing: AlarmCounts = {
  ...{ repeated: 0, delivered: 0, overTheRate: 0, queueFull: 0, refused: 0, givenUp: 0, summaries: 0 },
};

export class AlarmQueue {
  /** Not tried yet. */
  readonly #first: Waiting[];
  /** To be tried again; who failed last is last. */
  readonly #again: Waiting[];
  /** Being delivered, by id. */
  readonly #under = new Map<string, Waiting>();
  /** The ids of all three. */
  readonly #ids: Set<string>;
  readonly #remembered: Set<string>;
  readonly #windows: Map<string, Window>;
  readonly #tallies: AlarmTallies;
  readonly #counts: Counts;
  #rules: AlarmRules;
  /** What waits, as JSON, in bytes. */
  #size = 0;
  /** Failures of the second lane since the last success. */
  #pauses: number;
  /** Before this time the second lane makes no attempt. */
  #againAt: number;
  /** Before this time the receiver wants no attempt at all. */
  #holdUntil: number;

  constructor(state?: AlarmsState) {
    this.#rules = state?.rules ?? {};
    this.#first = copies(state?.first);
    this.#again = copies(state?.again);
    const waiting = [...this.#first, ...this.#again];
    this.#ids = new Set(waiting.map(({ alarm }) => alarm.id));
    for (const { alarm } of waiting) this.#size += sizeOf(alarm);
    this.#remembered = new Set(state?.remembered);
    this.#windows = new Map(state?.windows.map(([kind, window]) => [kind, { ...window }]));
    this.#tallies = new AlarmTallies(state?.tallies);
    this.#counts = { ...(state?.counts ?? nothing) };
    this.#pauses = state?.pauses ?? 0;
    this.#againAt = state?.againAt ?? 0;
    this.#holdUntil = state?.holdUntil ?? 0;
  }

  /** Alarms whose delivery was begun and not settled. */
  get under(): number {
    return this.#under.size;
  }

  get historyEvents(): number {
    return this.#rules.historyEvents ?? defaultAlarmRules.historyEvents;
  }

  /** Alarms that are not settled. */
  get waiting(): number {
    return this.#ids.size;
  }

  /** Takes an alarm that was raised; `now` and all times are milliseconds since 1970. */
  accept(alarm: Alarm, rules: AlarmRules, now: number): void {
    this.#rules = rules;
    if (this.#knows(alarm.id)) {
      this.#counts.repeated++;
      return;
    }
    this.#closeWindows(now);
    const kind = this.#windows.has(alarm.kind) || this.#windows.size < KINDS ? alarm.kind : 'other';
    const window = this.#windowOf(kind, now);
    if (window.taken >= this.#rateOf(kind).most) {
      window.over++;
      this.#counts.overTheRate++;
      this.#tallies.count('over-the-rate', alarm, now, kind);
      return;
    }
    if (this.waiting >= this.#most || this.#size + sizeOf(alarm) > LARGEST) {
      this.#counts.queueFull++;
      this.#tallies.count('queue-full', alarm, now);
      return;
    }
    window.taken++;
    this.#enter(alarm, now);
  }

  /** Lets time pass: makes the summaries of windows that are over. */
  pass(now: number): void {
    this.#closeWindows(now);
  }

  /** The next alarm whose delivery should begin now, if there is one. */
  take(now: number): Waiting | undefined {
    if (now < this.#holdUntil) return undefined;
    let next: Waiting | undefined;
    if (this.#firstIsFree) next = this.#first.shift();
    if (next === undefined && this.#againIsFree && now >= this.#againAt) next = this.#again.shift();
    if (next === undefined) return undefined;
    next.attempts++;
    this.#under.set(next.alarm.id, next);
    return next;
  }

  /** When {@link pass} and {@link take} have to be called, if nothing happens before. `undefined`: never. */
  wakeAt(): number | undefined {
    const times = [...this.#windows.values()].filter(({ over }) => over > 0).map(({ until }) => until);
    if (this.#firstIsFree && this.#first.length > 0) times.push(this.#holdUntil);
    if (this.#againIsFree && this.#again.length > 0) times.push(Math.max(this.#againAt, this.#holdUntil));
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** The alarm has arrived. */
  delivered({ id }: Alarm, now: number): void {
    const { alarm } = this.#settle(id);
    this.#counts[alarm.kind === 'summary' ? 'summaries' : 'delivered']++;
    this.answered(now);
  }

  /** The receiver takes alarms: whatever it failed before is tried without a pause, and told. */
  answered(now: number): void {
    this.#pauses = 0;
    this.#againAt = 0;
    this.#holdUntil = 0;
    // Of what it did not get it is told when it answers; a queue that is almost full would fill up with summaries of that.
    const roomy = this.waiting <= this.#most / 2;
    this.#tell(now, (reason) => reason === 'given-up' || reason === 'refused' || (reason === 'queue-full' && roomy));
  }

  /** The receiver does not want this alarm, ever. */
  refused({ id }: Alarm, now: number): void {
    const { alarm } = this.#settle(id);
    // A receiver that refuses summaries would get a summary of that.
    if (alarm.kind === 'summary') return;
    this.#counts.refused++;
    this.#tallies.count('refused', alarm, now);
  }

  /**
   * The alarm may not have arrived, and has to be sent again. `retryAfterMs`: when the receiver wants that.
   *
   * It is given up here and nowhere else: after an attempt that failed when its time was over. Time alone says nothing, as
   * there may have been no worker for a day, and with it no attempt.
   *
   * @returns whether it is given up
   */
  failed({ id }: Alarm, now: number, retryAfterMs = 0): boolean {
    const waiting = this.#end(id);
    const { alarm, attempts } = waiting;
    if (attempts > 1) this.#againAt = now + Math.min(PAUSE_MS * 2 ** this.#pauses++, LONGEST_PAUSE_MS);
    else if (this.#again.length === 0 && this.#againIsFree) this.#againAt = Math.max(this.#againAt, now + PAUSE_MS);
    this.#holdUntil = Math.max(this.#holdUntil, now + Math.min(retryAfterMs, LONGEST_PAUSE_MS));

    if (attempts === 1) waiting.since = now;
    if (now - waiting.since < (this.#rules.giveUpMs ?? defaultAlarmRules.giveUpMs)) {
      this.#again.push(waiting);
      return false;
    }
    this.#leave(alarm);
    if (alarm.kind !== 'summary') this.#counts.givenUp++;
    this.#tallies.count('given-up', alarm, now);
    return true;
  }

  view(): AlarmsView {
    const failing = this.#again.length + [...this.#under.values()].filter(({ attempts }) => attempts > 1).length;
    return { waiting: this.waiting, failing, counts: { ...this.#counts }, untold: this.#tallies.untold() };
  }

  /** What the next run goes on from. @throws while a delivery is under way */
  state(): AlarmsState {
    if (this.#under.size > 0) throw new Error(`${this.#under.size} alarms are being delivered`);
    return {
      rules: this.#rules,
      first: this.#first,
      again: this.#again,
      remembered: [...this.#remembered],
      windows: [...this.#windows],
      tallies: this.#tallies.state(),
      counts: this.#counts,
      pauses: this.#pauses,
      againAt: this.#againAt,
      holdUntil: this.#holdUntil,
    };
  }

  get #most(): number {
    return this.#rules.queue ?? defaultAlarmRules.queue;
  }

  get #againIsFree(): boolean {
    return [...this.#under.values()].every(({ attempts }) => attempts === 1);
  }

  get #firstIsFree(): boolean {
    return [...this.#under.values()].filter(({ attempts }) => attempts === 1).length < FIRST_ATTEMPTS;
  }

  /** Whether the alarm was raised before; from now on it was. What is raised again and again stays known. */
  #knows(id: string): boolean {
    const known = this.#remembered.delete(id) || this.#ids.has(id);
    this.#remembered.add(id);
    const [oldest] = this.#remembered;
    if (this.#remembered.size > REMEMBERED && oldest !== undefined) this.#remembered.delete(oldest);
    return known;
  }

  #rateOf(kind: string): AlarmRate {
    return this.#rules.rates?.[kind] ?? this.#rules.rate ?? defaultAlarmRules.rate;
  }

  #windowOf(kind: string, now: number): Window {
    const open = this.#windows.get(kind);
    if (open !== undefined) return open;
    const window = { until: now + this.#rateOf(kind).windowMs, taken: 0, over: 0 };
    this.#windows.set(kind, window);
    return window;
  }

  #closeWindows(now: number): void {
    for (const [kind, { until }] of this.#windows) if (until <= now) this.#windows.delete(kind);
    // Of a window that is still open is told when it is over.
    this.#tell(now, (reason, kind) => reason === 'over-the-rate' && !this.#windows.get(kind)?.over);
  }

  #tell(now: number, due: (reason: NotDelivered, kind: string) => boolean): void {
    for (const summary of this.#tallies.takeDue(now, due, (id) => this.#ids.has(id))) this.#enter(summary, now);
  }

  #enter(alarm: Alarm, now: number): void {
    this.#first.push({ alarm, since: now, attempts: 0 });
    this.#ids.add(alarm.id);
    this.#size += sizeOf(alarm);
  }

  #settle(id: string): Waiting {
    const waiting = this.#end(id);
    this.#leave(waiting.alarm);
    return waiting;
  }

  #end(id: string): Waiting {
    const waiting = this.#under.get(id);
    if (waiting === undefined) throw new Error(`alarm ${id} was not being delivered`);
    this.#under.delete(id);
    return waiting;
  }

  #leave(alarm: Alarm): void {
    this.#ids.delete(alarm.id);
    this.#size -= sizeOf(alarm);
  }
}

/** What was carried must not be changed: the state is the input of a run. */
function copies(waiting: readonly Waiting[] = []): Waiting[] {
  return waiting.map((each) => ({ ...each }));
}

/** Bytes as JSON, at most: outside ASCII no character takes more than three for each of its units. */
function sizeOf(alarm: Alarm): number {
  return JSON.stringify(alarm).replaceAll(/[^ -~]/g, '...').length;
}
