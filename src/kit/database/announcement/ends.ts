import { limitsOf } from '../guard/limits.js';
import type { Database } from '../sql.js';
import * as statements from './statements.js';

/** An end is asked for. */
interface Ending {
  /** Gid, owner, state that it must be in (null: any), fate. */
  readonly values: readonly [string, string, string | null, string];
  /** By `performance.now()`. */
  readonly until: number;
  readonly resolve: (won: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** So many go together at most. */
const TOGETHER = 50;
/** How long they wait for a lock together, in milliseconds: then whoever meets it waits by itself, and holds up nobody. */
const LOCK_MS = '100';
/** How long they may take together, in milliseconds: a connection that is silent holds up all that come meanwhile. */
const TOGETHER_MS = 1_000;
/** How much longer the server has for it, in milliseconds: who has given up must not be told otherwise by it. */
const SERVER_MS = 1_000;

/**
 * The ends of a database's transactions. One goes at once; those that come while it is under way go together after it, in
 * one SQL transaction: one wait for the disk and one connection for all of them, as PostgreSQL itself does with commits. Each
 * is a statement of its own, so nothing is decided together but whether it is written.
 *
 * Together all are written or none. Where that fails, or is not known, each is asked for again by itself: one that was
 * written after all hears that it is not the owner's any more, and finds its fate.
 */
export class Ends {
  readonly #db: Database;
  readonly #waiting: Ending[] = [];
  #isBusy = false;

  constructor(db: Database) {
    this.#db = db;
  }

  /** @returns `false` if somebody else drives the transaction */
  end(values: Ending['values'], timeoutMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const ending = { values, until: performance.now() + timeoutMs, resolve, reject };
      if (this.#db.runAll === undefined) {
        void this.#alone(ending);
        return;
      }
      this.#waiting.push(ending);
      if (!this.#isBusy) void this.#send();
    });
  }

  async #send(): Promise<void> {
    this.#isBusy = true;
    while (this.#waiting.length > 0) {
      const endings = this.#waiting.splice(0, TOGETHER).filter((ending) => this.#hasTime(ending));
      if (endings.length === 0) continue;
      try {
        const ended = await this.#together(endings);
        for (const [index, { resolve }] of endings.entries()) resolve(ended[index] === true);
      } catch {
        for (const ending of endings) void this.#alone(ending);
      }
    }
    this.#isBusy = false;
  }

  /** Whether there is time left to write it; else it is told. */
  #hasTime({ until, reject }: Ending): boolean {
    if (until > performance.now()) return true;
    reject(new Error('there was no time left to write it'));
    return false;
  }

  async #together(endings: readonly Ending[]): Promise<boolean[]> {
    const leftMs = Math.min(...endings.map(({ until }) => until)) - performance.now();
    const timeoutMs = Math.min(Math.max(leftMs, 1), TOGETHER_MS);
    const limits = [LOCK_MS, String(Math.ceil(timeoutMs) + SERVER_MS)];
    const lists = endings.map(({ values }) => [...values, ...limits]);
    const [only = []] = lists;
    const rows =
      lists.length === 1
        ? [await this.#db.run(statements.end, only, timeoutMs)]
        : await this.#db.runAll?.(statements.end, lists, timeoutMs);
    return (rows ?? []).map(({ length }) => length > 0);
  }

  async #alone(ending: Ending): Promise<void> {
    if (!this.#hasTime(ending)) return;
    const { values, until, resolve, reject } = ending;
    const timeoutMs = until - performance.now();
    const [transaction] = limitsOf({ timeoutMs });
    try {
      const rows = await this.#db.run(statements.end, [...values, transaction, transaction], timeoutMs);
      resolve(rows.length > 0);
    } catch (error) {
      reject(error);
    }
  }
}
