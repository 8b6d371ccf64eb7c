import { Barred, StoredRejection, Suspended } from '../../../../src/kit/database/rejection.js';
import type { Operation } from '../../../../src/kit/workflow/branch.js';
import type { Turns } from './turns.js';

/** How a producer's local transaction fares: it is done and answered; refused; fails; is done, and its answer is lost. */
export type Local = 'ok' | 'refused' | 'fails' | 'lost';

/** The guard's row of the local transaction, and who keeps its key meanwhile. */
export class LocalDatabase {
  row: 'applied' | 'rejected' | 'barred' | undefined;
  applied = 0;
  #held: Promise<void> | undefined;
  readonly #turns: Turns;

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  #isFree(): boolean {
    return this.#held === undefined;
  }

  async #released(): Promise<void> {
    await this.#held;
  }

  #hold(): () => void {
    let release: () => void = () => undefined;
    this.#held = new Promise((resolve) => (release = resolve));
    return () => {
      this.#held = undefined;
      release();
    };
  }

  /** The local transaction of a producer. */
  async apply(operation: Operation, local: Local, step: (what: string) => Promise<void>): Promise<string> {
    await step('begins');
    while (!this.#isFree()) await this.#released();
    if (this.row !== undefined) return this.#found(operation);
    const release = this.#hold();
    try {
      await step('works').catch(async (died: unknown) => {
        // The server notices some time.
        await this.#turns.turn('the connection of the dead is noticed');
        throw died;
      });
      if (local === 'ok' || local === 'lost') {
        this.row = 'applied';
        this.applied++;
      }
    } finally {
      release();
    }
    if (local === 'refused') {
      await step('stores its no');
      while (!this.#isFree()) await this.#released();
      this.row ??= 'rejected';
      return this.#found(operation);
    }
    if (local === 'fails') throw new Error('it failed');
    await step('committed');
    if (local === 'lost') throw new Error('its reply was lost');
    return 'result';
  }

  #found(operation: Operation): string {
    if (this.row === 'barred') throw new Suspended('barred');
    if (this.row === 'rejected') throw new StoredRejection('Refused', operation.branch);
    return 'result';
  }

  /** A check-back. */
  async settle(operation: Operation): Promise<string> {
    while (!this.#isFree()) await this.#released();
    this.row ??= 'barred';
    if (this.row === 'barred') throw new Barred(operation);
    return this.#found(operation);
  }
}
