import type { MatrixProcess } from './workers.js';

/**
 * Kills a worker when all transactions that are to lose it have come to their point, or the first one has waited for
 * long: a worker's start costs more than all else in a matrix.
 */
export class Gathering {
  readonly #kill: (worker: MatrixProcess) => Promise<void>;
  readonly #waitMs: number;
  /** Transactions whose worker is to be killed, and was not yet. */
  readonly #expected = new Set<string>();
  readonly #arrived = new Map<string, { readonly by: MatrixProcess; readonly killed: () => void }>();
  #timer: NodeJS.Timeout | undefined;

  /** @param waitMs how long a kill waits for other transactions that are to be struck by one, in milliseconds */
  constructor(kill: (worker: MatrixProcess) => Promise<void>, waitMs: number) {
    this.#kill = kill;
    this.#waitMs = waitMs;
  }

  expect(gid: string): void {
    this.#expected.add(gid);
  }

  /** It has ended, or will not come. */
  forget(gid: string): void {
    this.#expected.delete(gid);
    this.#look();
  }

  /** A transaction has come to its point. @returns when the worker was killed */
  arrive(gid: string, by: MatrixProcess): Promise<void> {
    return new Promise((killed) => {
      const before = this.#arrived.get(gid);
      this.#arrived.set(gid, {
        by,
        killed: () => {
          before?.killed();
          killed();
        },
      });
      this.#timer ??= setTimeout(() => {
        this.#strike();
      }, this.#waitMs);
      this.#look();
    });
  }

  #look(): void {
    if (this.#arrived.size > 0 && [...this.#expected].every((gid) => this.#arrived.has(gid))) this.#strike();
  }

  #strike(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const arrived = [...this.#arrived.entries()];
    this.#arrived.clear();
    for (const [gid, { by, killed }] of arrived) {
      this.#expected.delete(gid);
      void this.#kill(by).then(killed);
    }
  }
}
