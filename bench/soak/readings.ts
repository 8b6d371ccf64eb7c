import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { setTimeout } from 'node:timers/promises';
import type { Database } from '../../src/kit/database/index.js';

/** What a soak looks at while it runs: the memory of this process, and the tables of the direct lane. */

/** The memory of this process, in bytes, without what is only waiting to be collected. */
export interface Memory {
  readonly heap: number;
  /** All that the system has given it. */
  readonly rss: number;
}

/** The tables of the direct lane, in all databases together. */
export interface Tables {
  /** Bytes, with indexes. */
  readonly announcements: number;
  /** Rows of it that are gone and still take room, as far as PostgreSQL's statistics know. */
  readonly dead: number;
  /** Bytes, with indexes. */
  readonly guard: number;
}

/** Reads the memory, collecting garbage first: what is left is held by somebody. */
export function readMemory(): Memory {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed, rss };
}

const TABLES = `
select pg_total_relation_size('backstitch.announcements')::float8 as announcements,
  pg_total_relation_size('backstitch.guard')::float8 as guard,
  (select n_dead_tup::float8 from pg_stat_user_tables
    where schemaname = 'backstitch' and relname = 'announcements') as dead`;

export async function readTables(databases: readonly Database[]): Promise<Tables> {
  const rows = await Promise.all(databases.map((database) => database.run<Tables & object>(TABLES)));
  const sum = (column: keyof Tables) => rows.flat().reduce((total, row) => total + row[column], 0);
  return { announcements: sum('announcements'), dead: sum('dead'), guard: sum('guard') };
}

/** How many transactions are announced. */
export async function countAnnounced(databases: readonly Database[]): Promise<number> {
  const count = 'select count(*)::int as count from backstitch.announcements';
  const rows = await Promise.all(databases.map((database) => database.run<{ count: number }>(count)));
  return rows.flat().reduce((total, row) => total + row.count, 0);
}

/** Reads a figure each second, to know the greatest. */
export class Peak {
  readonly #read: () => Promise<number>;
  readonly #over = new AbortController();
  readonly #watching: Promise<void>;
  #most = 0;

  constructor(read: () => Promise<number>) {
    this.#read = read;
    this.#watching = this.#watch();
    this.#watching.catch(() => undefined); // Whoever stops it hears of it.
  }

  /** The greatest since this was asked last. */
  take(): number {
    const most = this.#most;
    this.#most = 0;
    return most;
  }

  /** @throws if a reading failed */
  async stop(): Promise<void> {
    this.#over.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      this.#most = Math.max(this.#most, await this.#read());
      await setTimeout(1_000, undefined, { signal }).catch(() => undefined);
    }
  }
}
