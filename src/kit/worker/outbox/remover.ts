import type { StreamStore } from '../../database/outbox/stream.js';
import type { Wake } from './wake.js';

/** So often a removal is tried: who delivers next delivers again what could not be removed. */
const TRIES = 5;
const AGAIN_MS = 500;

export interface RemoverOptions {
  readonly store: Pick<StreamStore, 'delivered'>;
  readonly wake: Wake;
  readonly signal: AbortSignal;
  readonly onRemoved: (seqs: readonly number[]) => void;
  /** Told of what could not be removed: it is found again. */
  readonly onLeft: (seqs: readonly number[]) => void;
}

/** Removes what was delivered: one statement at a time, for all that has come meanwhile. */
export class Remover {
  readonly #given: RemoverOptions;
  #waiting: number[] = [];
  #work: Promise<void> | undefined;

  constructor(given: RemoverOptions) {
    this.#given = given;
  }

  remove(seqs: readonly number[]): void {
    this.#waiting.push(...seqs);
    if (this.#waiting.length === 0) return;
    this.#work ??= this.#removeAll();
  }

  /** Waits until nothing is to be removed any more, or it could not be. */
  async done(): Promise<void> {
    await this.#work;
  }

  async #removeAll(): Promise<void> {
    const { store, wake, signal, onRemoved, onLeft } = this.#given;
    let failed = 0;
    while (this.#waiting.length > 0) {
      const seqs = this.#waiting;
      this.#waiting = [];
      try {
        await store.delivered(seqs);
        onRemoved(seqs);
        failed = 0;
      } catch {
        this.#waiting = [...seqs, ...this.#waiting];
        if (signal.aborted || ++failed >= TRIES) break;
        await wake.pause(AGAIN_MS, signal);
      }
    }
    const left = this.#waiting;
    this.#waiting = [];
    this.#work = undefined;
    onLeft(left);
  }
}
