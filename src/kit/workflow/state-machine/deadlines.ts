import type { DeadlineRule } from './definition.js';
import type { DeadlineNote, DeadlineOrder, DeadlineView } from './protocol.js';
import { isRequestId, WRONG_REQUEST_ID } from './ids.js';
import { thenOf } from './mermaid.js';

/**
 * The deadlines of one machine.
 *
 * States of each: off → running when a state of its `during` is entered from outside of them → off when the machine has left them. While
 * it runs its time is absolute: a change of runs does not prolong it. When it has passed it is taken once; one that runs something is
 * due again until its times are used up, and its last time is an alarm.
 *
 * Invariant: a deadline runs exactly while the machine is in its `during`. Pure: goes with the machine when it continues as new.
 */

/** A deadline that runs. */
export interface RunningDeadline {
  readonly name: string;
  /** When it is due, in milliseconds since 1970; absent: it has done all that it had to do. */
  at?: number;
  /** The machine's version when it began: with the name it is one deadline. */
  readonly version: number;
  /** How often it was taken. */
  rounds: number;
  /** How often what it fired was refused. */
  failed: number;
}

/** Where a machine is, and since when. */
interface Place {
  readonly state: string;
  readonly version: number;
  readonly since: number;
}

/** A move that has brought it there. */
interface Moved {
  readonly from: string;
  readonly to: string;
  readonly version: number;
  readonly at: number;
}

/** What is kept of deadlines from run to run. */
export interface KeptDeadlines {
  readonly running: RunningDeadline[];
  readonly moved: DeadlineNote[];
}

/** A deadline whose time has come. */
export interface DueDeadline {
  readonly rule: DeadlineRule;
  readonly running: RunningDeadline;
  /** 1 for the first time. */
  readonly round: number;
}

/** How many notes of moved deadlines are kept. */
const MOST_NOTES = 50;
/** When a deadline is due again whose event was refused or undone, in milliseconds, or after its own time if that is shorter. */
const AGAIN_MS = 15 * 60_000;
/** A year of 366 days: what is moved farther is a mistake. */
const FARTHEST_MS = 366 * 86_400_000;

export class Deadlines {
  readonly #rules: ReadonlyMap<string, DeadlineRule>;
  #running: Map<string, RunningDeadline>;
  readonly #moved: DeadlineNote[];

  constructor(rules: readonly DeadlineRule[], kept?: KeptDeadlines) {
    this.#rules = new Map(rules.map((rule) => [rule.name, rule]));
    // A newer release may have another table.
    const known = (kept?.running ?? []).filter(({ name }) => this.#rules.has(name));
    this.#running = new Map(known.map((each) => [each.name, { ...each }]));
    this.#moved = [...(kept?.moved ?? [])];
  }

  get kept(): KeptDeadlines {
    return { running: [...this.#running.values()], moved: this.#moved };
  }

  /** The machine is in this state from `at` on, which is its move of this version. */
  enter(state: string, version: number, at: number): void {
    for (const rule of this.#rules.values()) {
      const { name, during, afterMs } = rule;
      if (!during.has(state)) this.#running.delete(name);
      else if (!this.#running.has(name)) {
        this.#running.set(name, { name, at: at + afterMs, version, rounds: 0, failed: 0 });
      }
    }
  }

  /**
   * Begins those that do not run though they should: a newer table has them, which came when the machine was there already. They run
   * from when it came to where they run, as far as its moves tell.
   */
  adopt({ state, version, since }: Place, moves: readonly Moved[]): void {
    for (const { name, during, afterMs } of this.#rules.values()) {
      if (!during.has(state) || this.#running.has(name)) continue;
      let began = { version, at: since };
      for (const { from, to, version: each, at } of [...moves].reverse()) {
        if (!during.has(to)) break;
        began = { version: each, at };
        if (!during.has(from)) break;
      }
      this.#running.set(name, { name, at: began.at + afterMs, version: began.version, rounds: 0, failed: 0 });
    }
  }

  /** When the next one is due. */
  get wakeAt(): number | undefined {
    const times = [...this.#running.values()].flatMap(({ at }) => (at === undefined ? [] : [at]));
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Takes the one that has been due for longest, if one is. */
  take(now: number): DueDeadline | undefined {
    const due = [...this.#running.values()]
      .filter(({ at }) => at !== undefined && at <= now)
      .sort((one, other) => (one.at ?? 0) - (other.at ?? 0));
    const [running] = due;
    const rule = running && this.#rules.get(running.name);
    if (running === undefined || rule === undefined) return undefined;
    running.rounds++;
    // After its last run comes the alarm.
    const more = rule.runs !== undefined && running.rounds <= rule.times;
    running.at = more ? now + rule.everyMs : undefined;
    return { rule, running, round: running.rounds };
  }

  /** What it had fired was refused or undone: it is due again. @returns whether that is the first time */
  again({ rule, running }: DueDeadline, now: number): boolean {
    if (this.#running.get(running.name) !== running) return false;
    running.at = now + Math.min(rule.afterMs, AGAIN_MS);
    running.failed++;
    return running.failed === 1;
  }

  /** What became of an order that was made before. */
  movedBefore({ requestId }: Partial<DeadlineOrder>): DeadlineNote | undefined {
    return requestId === undefined ? undefined : this.#moved.find((note) => note.requestId === requestId);
  }

  /** Why a deadline cannot be moved so, if so. */
  wrong(order: Partial<DeadlineOrder>, now: number): string | undefined {
    const { name = '', to, byMs, actor, reason, requestId } = order;
    if (!actor || !reason) return 'who moves a deadline, and why, has to be said';
    if (requestId !== undefined && !isRequestId(requestId)) return WRONG_REQUEST_ID;
    const before = this.movedBefore(order);
    if (before?.name === name) return undefined;
    if (before !== undefined)
      return `request ${before.requestId ?? ''} moved deadline '${before.name}': this needs an id of its own`;
    if (!this.#rules.has(name))
      return `there is no deadline '${name}': ${[...this.#rules.keys()].join(', ') || 'it has none'}`;
    const running = this.#running.get(name);
    if (running?.at === undefined) {
      const others = [...this.#running.values()].filter(({ at }) => at !== undefined).map((each) => each.name);
      return `deadline '${name}' does not run now; those that do: ${others.join(', ') || 'none'}`;
    }
    if ((to === undefined) === (byMs === undefined)) return 'give its new time, or by how much it is moved';
    const time = to ?? running.at + (byMs ?? 0);
    if (!Number.isSafeInteger(time)) return 'a time is a whole number of milliseconds';
    if (time > now + FARTHEST_MS) return 'it can be moved by a year at most';
    return undefined;
  }

  /** Moves a deadline, by an order that is not {@link wrong}. One that is moved into the past is due at once. */
  move(order: DeadlineOrder, now: number): DeadlineNote {
    const before = this.movedBefore(order);
    if (before !== undefined) return before;
    const { name, to, byMs, actor, reason, requestId } = order;
    const running = this.#running.get(name);
    const from = running?.at ?? now;
    const time = Math.max(to ?? from + (byMs ?? 0), now);
    if (running !== undefined) running.at = time;
    const version = running?.version ?? 0;
    const note: DeadlineNote = {
      name,
      from,
      to: time,
      actor,
      reason,
      at: now,
      version,
      ...(requestId && { requestId }),
    };
    this.#moved.push(note);
    if (this.#moved.length > MOST_NOTES) this.#moved.shift();
    return note;
  }

  /**
   * Takes over what was moved in a run that was ended from outside: of the deadlines that run still. One of the same name that has begun
   * since, as its state came again, nobody has moved.
   *
   * @param since when the machine came to its state: what was moved after that runs still, though it is not known with which move it began
   */
  restore(notes: readonly DeadlineNote[], since: number): void {
    for (const note of notes) {
      const running = this.#running.get(note.name);
      const isSame = running !== undefined && (running.version === note.version || note.at >= since);
      if (isSame && running.at !== undefined) running.at = note.to;
      if (!this.#moved.some(({ name, at }) => name === note.name && at === note.at)) this.#moved.push(note);
    }
  }

  /** Those that are still to come, the next one first. */
  view(): DeadlineView[] {
    return [...this.#running.values()]
      .flatMap(({ name, at, rounds }) => {
        const rule = this.#rules.get(name);
        if (at === undefined || rule === undefined) return [];
        const isLast = rule.runs !== undefined && rounds >= rule.times;
        return [{ name, at, then: isLast ? 'raises deadline-passed' : thenOf(rule), rounds }];
      })
      .sort((one, other) => one.at - other.at);
  }
}
