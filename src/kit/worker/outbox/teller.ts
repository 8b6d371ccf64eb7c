import type { StreamStore, Untold } from '../../database/outbox/stream.js';
import { within } from '../../database/within.js';
import { backoffMs, type RelayRules } from './rules.js';

/** What a relay tells of: an alarm. */
export interface RelayTrouble extends Omit<Untold, 'lane' | 'state' | 'kind' | 'message'> {
  /** `dead-letter`: it was given up; `late`: it is tried on though its window is over; `unavailable`: the sink takes nothing. */
  readonly kind: Untold['kind'] | 'unavailable';
  /** Absent: it is no message's trouble. */
  readonly message?: Untold['message'];
}

/** Tells people. @throws if it could not: it is asked to again */
export type OnTrouble = (trouble: RelayTrouble) => Promise<void>;

export interface TellerOptions {
  readonly store: Pick<StreamStore, 'untold' | 'told'>;
  readonly rules: RelayRules;
  readonly signal: AbortSignal;
  readonly onTrouble: OnTrouble;
}

/** So many are told of at a time. */
const MOST = 200;
/** As long as one may take, in milliseconds. */
const TELL_MS = 30_000;

/**
 * Tells of messages that were given up, or are late, until each was told of: the database knows of which it was not, so that the next relay
 * goes on with them. Who dies in between is followed by one that tells again.
 */
export class Teller {
  readonly #given: TellerOptions;
  #isTelling = false;
  #isAsked = false;
  #failures = 0;
  #againAt = 0;

  constructor(given: TellerOptions) {
    this.#given = given;
  }

  /** There is something to be told. After a failure it is told when a pause is over, and somebody says so again. */
  tell(): void {
    if (Date.now() < this.#againAt) return;
    this.#isAsked = true;
    if (!this.#isTelling) void this.#tellAll();
  }

  async #tellAll(): Promise<void> {
    const { store, rules, signal } = this.#given;
    this.#isTelling = true;
    while (this.#isAsked && !signal.aborted) {
      this.#isAsked = false;
      try {
        const untold = await store.untold(MOST);
        // One that cannot be told keeps no other from it.
        const told = await Promise.allSettled(untold.map((each) => this.#tellOf(each)));
        if (told.some(({ status }) => status === 'rejected')) throw new Error('not all of them were told');
        this.#failures = 0;
        if (untold.length === MOST) this.#isAsked = true;
      } catch {
        this.#isAsked = false;
        this.#againAt = Date.now() + backoffMs(rules, ++this.#failures);
      }
    }
    this.#isTelling = false;
  }

  async #tellOf(untold: Untold): Promise<void> {
    const { store, onTrouble } = this.#given;
    const { kind, error, since, at, message } = untold;
    await within(TELL_MS, onTrouble({ kind, error, since, at, message }));
    await store.told(untold);
  }
}
