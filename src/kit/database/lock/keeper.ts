import { setTimeout as delay } from 'node:timers/promises';
import { within } from '../within.js';
import { LeaseLost, type LeaseStore } from './lease.js';

/** How long a store may take to answer, in milliseconds; a third of the lease at most. */
const ASK_MS = 5_000;
/** The part of a lease that the holder does without: clocks do not run alike. */
const DRIFT = 0.01;
/** After a renewal that failed it is tried again this many times as often. */
const HASTE = 5;

/** How long a store is waited for, by the length of the lease. */
export function askMs(leaseMs: number): number {
  return Math.min(ASK_MS, Math.ceil(leaseMs / 3));
}

/** What is kept. */
export interface Kept {
  readonly store: LeaseStore;
  readonly resource: string;
  readonly owner: string;
  readonly token: number;
  readonly leaseMs: number;
  readonly longestMs: number;
  /** When it was asked for, by `performance.now()`. */
  readonly asked: number;
}

/**
 * Keeps a lease: renews it at a third of its length, sooner after a renewal that failed, until it is ended; and says when it is lost.
 *
 * It counts by the process's own monotonic clock, from before it asked, and so is never behind the store. A process that was stopped
 * finds its time over when it wakes, before it hears of anything else.
 */
export class Keeper {
  readonly #kept: Kept;
  readonly #over = new AbortController();
  readonly #ended = new AbortController();
  readonly #keeping: Promise<void>;
  /** Until when it is ours for certain. */
  #until: number;

  constructor(kept: Kept) {
    this.#kept = kept;
    this.#until = this.#end(kept.asked);
    this.#keeping = this.#keep();
  }

  /** Aborted with {@link LeaseLost} when it is lost. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Why it is lost, if it is: also when nobody had the time to look yet. */
  get lost(): LeaseLost | undefined {
    if (performance.now() >= this.#until) this.#lose('it was not renewed in time');
    return this.#over.signal.aborted ? (this.#over.signal.reason as LeaseLost) : undefined;
  }

  /** Renews it no more; a renewal that is on its way is waited for, so that none comes after what follows. Never fails. */
  async end(): Promise<void> {
    this.#ended.abort();
    await this.#keeping;
  }

  async #keep(): Promise<void> {
    const { store, resource, owner, leaseMs, longestMs, asked: began } = this.#kept;
    const { signal } = this.#ended;
    const isEnded = () => signal.aborted;
    let renewAt = began + leaseMs / 3;
    let why = 'it was not renewed in time';
    let cause: unknown;
    while (!isEnded()) {
      const wakeAt = Math.min(renewAt, this.#until, began + longestMs);
      await delay(Math.max(wakeAt - performance.now(), 0), undefined, { signal }).catch(() => undefined);
      if (isEnded()) return;
      const asked = performance.now();
      if (asked >= began + longestMs) {
        this.#lose(`it was held for ${longestMs} ms, as long as any may be`);
        return;
      }
      if (asked >= this.#until) {
        this.#lose(why, { cause });
        return;
      }
      if (asked < renewAt) continue; // A timer may fire a moment early.
      try {
        const limit = Math.min(askMs(leaseMs), this.#until - asked);
        if (!(await within(limit, store.renew(resource, owner, leaseMs, limit), 'the store of its lock'))) {
          this.#lose('it was over, or was taken away');
          return;
        }
        this.#until = this.#end(asked);
        renewAt = asked + leaseMs / 3;
      } catch (error) {
        why = `it could not be renewed: ${error instanceof Error ? error.message : String(error)}`;
        cause = error;
        renewAt = performance.now() + leaseMs / 3 / HASTE;
      }
    }
  }

  #end(asked: number): number {
    return asked + this.#kept.leaseMs * (1 - DRIFT);
  }

  #lose(why: string, options?: ErrorOptions): void {
    if (!this.#over.signal.aborted)
      this.#over.abort(new LeaseLost(this.#kept.resource, this.#kept.token, why, options));
  }
}
