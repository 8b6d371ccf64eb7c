import type { Alarm, AlarmSummary, NotDelivered } from './alarms.js';

/** Transactions that a summary names. */
const GIDS = 10;
/** Tallies that are kept apart; what is of further kinds is counted together. */
const TALLIES = 100;

type Tally = { -readonly [Name in keyof AlarmSummary]: AlarmSummary[Name] };

/** The counters as plain data. */
export interface TalliesState {
  readonly untold: readonly AlarmSummary[];
  /** For each tally the id of its latest summary. */
  readonly told: readonly (readonly [string, string])[];
  readonly serial: number;
}

/**
 * Counts alarms that are not delivered one by one, until a summary tells of them. A summary that is on its way is never
 * changed, as it may have arrived already; and there is one at a time for each reason and kind, so that summaries cannot
 * pile up while the receiver is down: what comes meanwhile is in the next.
 */
export class AlarmTallies {
  readonly #untold: Map<string, Tally>;
  readonly #told: Map<string, string>;
  #serial: number;

  constructor(state?: TalliesState) {
    this.#untold = new Map(state?.untold.map((summary) => [nameOf(summary.reason, summary.of), { ...summary }]));
    this.#told = new Map(state?.told);
    this.#serial = state?.serial ?? 0;
  }

  /** Counts an alarm; one that is a summary itself counts as all that it tells of. `kind`: under which it is told. */
  count(reason: NotDelivered, alarm: Alarm, now: number, kind: string = alarm.kind): void {
    if (alarm.kind === 'summary') {
      const { of, count, gids, from } = alarm.data as AlarmSummary;
      this.#add(reason, of, { count, gids, from, until: now });
    } else {
      const gids = alarm.gid === undefined ? [] : [alarm.gid];
      this.#add(reason, kind, { count: 1, gids, from: now, until: now });
    }
  }

  /**
   * Makes the summaries that are due.
   *
   * @param due whether it is time to tell of what was not delivered for this reason
   * @param isWaiting whether an earlier summary, of this id, has not been settled
   */
  takeDue(
    now: number,
    due: (reason: NotDelivered, kind: string) => boolean,
    isWaiting: (id: string) => boolean,
  ): Alarm[] {
    const summaries: Alarm[] = [];
    for (const [name, id] of this.#told) if (!isWaiting(id)) this.#told.delete(name);
    for (const [name, tally] of this.#untold) {
      if (this.#told.has(name) || !due(tally.reason, tally.of)) continue;
      this.#untold.delete(name);
      const summary: Alarm = {
        id: `summary/${tally.reason}/${tally.of}/${tally.from}-${++this.#serial}`,
        kind: 'summary',
        at: now,
        message: describe(tally),
        data: tally,
      };
      this.#told.set(name, summary.id);
      summaries.push(summary);
    }
    return summaries;
  }

  untold(): AlarmSummary[] {
    return [...this.#untold.values()].map((tally) => ({ ...tally }));
  }

  state(): TalliesState {
    return { untold: this.untold(), told: [...this.#told], serial: this.#serial };
  }

  #add(reason: NotDelivered, kind: string, more: Pick<Tally, 'count' | 'gids' | 'from' | 'until'>): void {
    const of = this.#untold.has(nameOf(reason, kind)) || this.#untold.size < TALLIES ? kind : 'other';
    const name = nameOf(reason, of);
    const tally = this.#untold.get(name) ?? { reason, of, count: 0, gids: [], from: more.from, until: more.until };
    tally.count += more.count;
    tally.gids = [...new Set([...tally.gids, ...more.gids])].slice(0, GIDS);
    tally.from = Math.min(tally.from, more.from);
    tally.until = more.until;
    this.#untold.set(name, tally);
  }
}

const words: Readonly<Record<NotDelivered, string>> = {
  'over-the-rate': 'came faster than its rate allows',
  'queue-full': 'came while too many alarms waited for their delivery',
  'given-up': 'could not be delivered in all the time there was',
  refused: 'were refused by the receiver',
};

function describe({ reason, of, count, gids, from, until }: AlarmSummary): string {
  const named = gids.length === 0 ? '' : `: ${gids.join(', ')}${count > gids.length ? ', …' : ''}`;
  const when = `${new Date(from).toISOString()} to ${new Date(until).toISOString()}`;
  return `${count} of kind ${of} ${words[reason]}, ${when}${named}`;
}

function nameOf(reason: NotDelivered, kind: string): string {
  return `${reason} ${kind}`;
}
