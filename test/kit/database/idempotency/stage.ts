import pg from 'pg';
import {
  idempotencyMigrations,
  lockMigrations,
  migrate,
  pgDatabase,
  type Database,
  type Sql,
} from '../../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../../support/servers.js';

/** A database with the tables of idempotency and locks, and a shop's own. */
const tables = `
create table accounts (
  id text primary key, balance integer not null, version integer not null default 0,
  locked_by text, locked_at timestamptz, status text not null default 'open'
);
create table orders (id text primary key, status text not null, tracking text, refunded integer not null default 0);
create table points (customer text primary key, points integer not null default 0);
create table point_entries (order_id text, reason text, amount integer not null, unique (order_id, reason));
create table careless_entries (order_id text, reason text, amount integer not null);
create table facts (id text primary key, terms json, wide jsonb);
create table effects (name text not null, value text);
create table resources (name text primary key, value text not null);`;

let count = 0;
export const fresh = (name: string) => `${name}-${++count}`;

export class LockStage {
  #opened: { readonly test: TestDatabase; readonly pool: pg.Pool; readonly db: Database } | undefined;

  constructor() {
    before(async () => {
      const test = await testDatabase('locks');
      const pool = new pg.Pool({ connectionString: test.url, max: 20 });
      const db = pgDatabase(pool);
      this.#opened = { test, pool, db };
      await migrate(db, 'idempotency', idempotencyMigrations);
      await migrate(db, 'lock', lockMigrations);
      await pool.query(tables);
    });
    after(async () => {
      await this.#opened?.pool.end();
      await this.#opened?.test.drop();
    });
  }

  get #open() {
    if (this.#opened === undefined) throw new Error('the stage is not open yet');
    return this.#opened;
  }

  get db(): Database {
    return this.#open.db;
  }

  get url(): string {
    return this.#open.test.url;
  }

  /** The first row of a query. */
  async one<Row extends object>(text: string, ...values: unknown[]): Promise<Row> {
    const [row] = await this.db.run<Row>(text, values);
    if (row === undefined) throw new Error(`no row: ${text}`);
    return row;
  }
}

/** Statements of several callers, each of whom waits behind its first one until all have made theirs. */
export function meeting(callers: number): (sql: Sql) => Sql {
  let come = 0;
  let open: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (open = resolve));
  return (sql) => {
    let isFirst = true;
    return async (text, values) => {
      const rows = await sql(text, values);
      if (isFirst) {
        isFirst = false;
        if (++come === callers) open();
        await all;
      }
      return rows as never;
    };
  };
}
