import { messageOf } from '../../database/message.js';
import { backoffMs, type RelayRules } from './rules.js';

/** Since when a sink takes nothing, in milliseconds since 1970, why, and whether an alarm has told of it. */
export interface Unavailable {
  readonly since: number;
  readonly error: string;
  readonly told: boolean;
}

export interface AvailabilityOptions {
  readonly rules: RelayRules;
  /** What the relay before has found. */
  readonly found?: Unavailable;
  /** Tells that it takes nothing for longer than the window. Asked again after each attempt, until it could. */
  readonly onLong: (found: Unavailable) => Promise<void>;
}

/**
 * Whether a sink takes anything. One that does not is left alone for a while, longer each time; then one delivery tries it, and when
 * that is taken, or refused as what it is, the others follow.
 */
export class Availability {
  readonly #given: AvailabilityOptions;
  #found: (Unavailable & { readonly times: number; readonly until: number }) | undefined;
  #isTelling = false;

  constructor(given: AvailabilityOptions) {
    this.#given = given;
    this.#found = given.found && { ...given.found, times: 0, until: 0 };
  }

  /** Since when it takes nothing; undefined: it does, as far as is known. */
  get found(): Unavailable | undefined {
    if (this.#found === undefined) return undefined;
    const { since, error, told } = this.#found;
    return { since, error, told };
  }

  /** When it may be tried again, in milliseconds since 1970; undefined: it need not be waited for. */
  get againAt(): number | undefined {
    return this.#found?.until;
  }

  /** Of so many places those that may be used: until it is known that it takes something again one tries it. */
  places(all: number): number {
    if (this.#found === undefined) return all;
    return Date.now() < this.#found.until ? 0 : 1;
  }

  /** It has taken something or said why not, or there is nothing that it could take. */
  works(): void {
    this.#found = undefined;
  }

  /** It takes nothing. */
  cannot(thrown: unknown): void {
    const { rules } = this.#given;
    const now = Date.now();
    // What was under way when it began says nothing new.
    if (this.#found !== undefined && now < this.#found.until) return;
    const { since = now, times = 0, told = false } = this.#found ?? {};
    const until = now + backoffMs(rules, times + 1);
    this.#found = { since, error: messageOf(thrown), times: times + 1, until, told };
    if (!told && now - since >= rules.windowMs) void this.#tell(this.#found);
  }

  async #tell(found: Unavailable): Promise<void> {
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      await this.#given.onLong(found);
      // It may take something again by now, or nothing since another time.
      if (this.#found?.since === found.since) this.#found = { ...this.#found, told: true };
    } catch {
      // The next attempt that is in vain tells it.
    } finally {
      this.#isTelling = false;
    }
  }
}
