import type { DeadlineRule } from './definition.js';
import type { DeadlineNote, DeadlineOrder, DeadlineView } from './protocol.js';
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

  /** Why a deadline cannot be moved so, if so. */
  wrong(order: Partial<DeadlineOrder>, now: number): string | undefined {
    const { name = '', to, byMs, actor, reason } = order;
    if (!actor || !reason) return 'who moves a deadline, and why, has to be said';
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
  move({ name, to, byMs, actor, reason }: DeadlineOrder, now: number): DeadlineNote {
    const running = this.#running.get(name);
    const from = running?.at ?? now;
    const time = Math.max(to ?? from + (byMs ?? 0), now);
    if (running !== undefined) running.at = time;
    const note: DeadlineNote = { name, from, to: time, actor, reason, at: now };
    this.#moved.push(note);
    if (this.#moved.length > MOST_NOTES) this.#moved.shift();
    return note;
  }

  /** Takes over what was moved in a run that was ended from outside. */
  restore(notes: readonly DeadlineNote[]): void {
    for (const note of notes) {
      const running = this.#running.get(note.name);
      if (running?.at !== undefined) running.at = note.to;
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
