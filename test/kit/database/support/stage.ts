import type { EventEmitter } from 'node:events';
import pg from 'pg';
import {
  guardMigrations,
  migrate,
  pgDatabase,
  Rejection,
  type Database,
  type Op,
  type Operation,
  type Sql,
} from '../../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../../support/servers.js';

let count = 0;
export const newGid = () => `gid-${++count}`;
/** What a driver would ask of the branch `pay`. */
export function op(gid: string, name: Op, more: Partial<Operation> = {}): Operation {
  return {
    ...{ gid, branch: 'pay', op: name, scheme: 'saga', seq: 1, function: `payments.charge.${name}` },
    ...{ driver: 'test', who: 'me', attempt: 1, timeoutMs: 10_000, signal: new AbortController().signal },
    ...more,
  };
}

export const refuse = () => Promise.reject(new Rejection('Refused', 'no'));
export const never = (): Promise<unknown> => Promise.reject(new Error('the work must not run'));

/** Work that leaves an effect. */
export const add =
  (gid: string, amount: number, result: unknown = { done: amount }) =>
  async (sql: Sql): Promise<unknown> => {
    await sql('insert into ledger (gid, amount) values ($1, $2)', [gid, amount]);
    return result;
  };

/**
 * Counts a pool's round trips: how often the server said that it is ready for more. One for each connection's start is
 * among them.
 *
 * @returns takes what was counted so far
 */
export function roundTrips(pool: pg.Pool): () => number {
  let count = 0;
  const onReady = () => {
    count += 1;
  };
  pool.on('acquire', (client) => {
    const { connection } = client as unknown as { connection: EventEmitter };
    if (!connection.listeners('readyForQuery').includes(onReady)) connection.on('readyForQuery', onReady);
  });
  return () => {
    const taken = count;
    count = 0;
    return taken;
  };
}

/** A database on one connection that has BEGIN and COMMIT prepared, and its round trips. */
export async function counted(url: string): Promise<{ db: Database; take: () => number; close: () => Promise<void> }> {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  const db = pgDatabase(pool);
  const take = roundTrips(pool);
  await db.transaction((sql) => sql('select 1', []));
  take();
  return { db, take, close: () => pool.end() };
}

/** A database with a guard, and a ledger for effects: opened before the tests of a suite, and dropped after them. */
export class Stage {
  #database: TestDatabase | undefined;
  #pool: pg.Pool | undefined;
  #db: Database | undefined;

  constructor() {
    before(async () => {
      this.#database = await testDatabase('guard');
      this.#pool = new pg.Pool({ connectionString: this.url, max: 20 });
      this.#db = pgDatabase(this.#pool);
      await migrate(this.db, 'guard', guardMigrations);
      await this.pool.query('create table ledger (gid text not null, amount int not null check (amount <> 13))');
    });
    after(async () => {
      await this.#pool?.end();
      await this.#database?.drop();
    });
  }

  get url(): string {
    return opened(this.#database).url;
  }

  get pool(): pg.Pool {
    return opened(this.#pool);
  }

  get db(): Database {
    return opened(this.#db);
  }

  /** The effects of a transaction, summed. */
  async net(gid: string): Promise<number> {
    const text = 'select coalesce(sum(amount), 0)::int as net from ledger where gid = $1';
    return (await this.pool.query<{ net: number }>(text, [gid])).rows[0]?.net ?? 0;
  }

  /** The guard's row. */
  async row(gid: string, phase: number): Promise<Record<string, unknown> | undefined> {
    const text = 'select * from backstitch.guard where gid = $1 and phase = $2';
    return (await this.pool.query<Record<string, unknown>>(text, [gid, phase])).rows[0];
  }
}

function opened<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('the stage is not open yet');
  return part;
}
