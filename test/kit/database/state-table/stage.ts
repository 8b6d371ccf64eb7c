import { EventEmitter, once } from 'node:events';
import pg from 'pg';
import {
  createGuard,
  createStateTable,
  guardMigrations,
  migrate,
  pgDatabase,
  Rejection,
  stateTableMigrations,
  type Database,
  type Operation,
  type Probe,
  type Sql,
  type StateCall,
  type StateTable,
  type StateTableOptions,
} from '../../../../src/kit/database/index.js';
import { postgresUrl, testDatabase, type TestDatabase } from '../../../support/servers.js';

/** What `a` and `b` do: each moves an amount in a database of its own, once, under its guard. */
export interface Amount {
  readonly amount: number;
  /** A definite no. */
  readonly refused?: boolean;
}

/** One party's part of the stage. */
class Party {
  readonly database: TestDatabase;
  readonly pool: pg.Pool;
  readonly db: Database;

  private constructor(database: TestDatabase) {
    this.database = database;
    this.pool = new pg.Pool({ connectionString: database.url, max: 10, connectionTimeoutMillis: 2_000 });
    this.db = pgDatabase(this.pool);
  }

  static async open(name: string): Promise<Party> {
    return new Party(await testDatabase(name));
  }

  /** The database is gone: nobody gets in, and whoever is in is thrown out. */
  async gone(): Promise<void> {
    await this.#onServer(`alter database ${this.#name} with allow_connections false`);
    await this.#onServer(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '${this.#name}'`,
    );
  }

  async back(): Promise<void> {
    await this.#onServer(`alter database ${this.#name} with allow_connections true`);
  }

  async close(): Promise<void> {
    await this.pool.end();
    await this.database.drop();
  }

  get #name(): string {
    return new URL(this.database.url).pathname.slice(1);
  }

  async #onServer(text: string): Promise<void> {
    const client = new pg.Client({ connectionString: await postgresUrl() });
    await client.connect();
    await client.query(text).finally(() => client.end());
  }
}

export type Operations = ReturnType<typeof operationsOf>;

/** The operations of the participants `a` and `b`. */
export function operationsOf(databases: { readonly a: Database; readonly b: Database }, probe?: Probe) {
  const of = (name: 'a' | 'b', sign: number) => {
    const guard = createGuard(databases[name], { probe });
    return (operation: Operation, { amount, refused }: Amount): Promise<{ moved: number }> =>
      guard.apply(operation, { amount, refused }, async (sql: Sql) => {
        if (refused === true) throw new Rejection('NoMoney', `${name} has none for ${operation.gid}`);
        await sql('insert into ledger (gid, amount) values ($1, $2)', [operation.gid, sign * amount]);
        return { moved: amount };
      });
  };
  return { 'a.take': of('a', -1), 'b.put': of('b', 1) };
}

/** Money from `a` to `b`. */
export function transfer(a: Partial<Amount> = {}, b: Partial<Amount> = {}): StateCall<Operations>[] {
  return [
    { branch: 'from', operation: 'a.take', input: { amount: 5, ...a } },
    { branch: 'to', operation: 'b.put', input: { amount: 5, ...b } },
  ];
}

/** A caller with a state table, and two participants, each with a database of its own; opened before the tests of a suite. */
export class StateStage {
  caller!: Party;
  a!: Party;
  b!: Party;
  /** Injected at the guards' points; taken away after each test. */
  probe: Probe | undefined;
  #count = 0;

  constructor() {
    before(async () => {
      [this.caller, this.a, this.b] = await Promise.all([Party.open('caller'), Party.open('a'), Party.open('b')]);
      await migrate(this.caller.db, 'state-table', stateTableMigrations);
      for (const { db } of [this.a, this.b]) {
        await migrate(db, 'guard', guardMigrations);
        await db.run('create table ledger (gid text not null, amount int not null)');
      }
    });
    afterEach(() => {
      this.probe = undefined;
    });
    after(() => Promise.all([this.caller, this.a, this.b].map((party) => party.close())));
  }

  newGid(): string {
    return `state-${++this.#count}`;
  }

  /** The environment of a program that plays the caller. */
  get env(): Record<string, string> {
    return { CALLER: this.caller.database.url, A: this.a.database.url, B: this.b.database.url };
  }

  /** A table whose retries do not wait. */
  table(options: Partial<StateTableOptions<Operations>> = {}): StateTable<Operations> {
    const operations = operationsOf({ a: this.a.db, b: this.b.db }, (point, operation) =>
      Promise.resolve(this.probe?.(point, operation)),
    );
    return createStateTable({ database: this.caller.db, operations, backoffMs: [0], ...options });
  }

  /** What `a` and `b` have moved for a transaction. */
  async effects(gid: string): Promise<{ a: number; b: number }> {
    const net = async ({ pool }: Party) => {
      const text = 'select coalesce(sum(amount), 0)::int as net from ledger where gid = $1';
      return (await pool.query<{ net: number }>(text, [gid])).rows[0]?.net ?? 0;
    };
    return { a: await net(this.a), b: await net(this.b) };
  }

  /** As if so much time had passed that a row is due. */
  async makeDue(gid: string): Promise<void> {
    const text = `update backstitch.state_table set due_at = clock_timestamp() where gid = $1 and due_at is not null`;
    await this.caller.db.run(text, [gid]);
  }

  /** A round of the scan for one row. */
  async round(table: StateTable<Operations>, gid: string) {
    await this.makeDue(gid);
    const { driver, rows } = await table.scan.take(100);
    const row = rows.find((each) => each.gid === gid);
    return row === undefined ? undefined : table.scan.round(row, driver);
  }
}

/** Fails an operation's attempts at a point: before anything is done, or when it is committed and its answer is lost. */
export function failing(name: string, point: 'before' | 'committed', attempts = Infinity): Probe {
  let count = 0;
  return (at, operation) => {
    if (at !== point || !operation.function.startsWith(name) || ++count > attempts) return Promise.resolve();
    return Promise.reject(new Error(`${name} is broken at '${point}'`));
  };
}

/** A place at which somebody waits until it is ended. */
export interface Pause {
  readonly here: () => Promise<void>;
  /** Resolves when somebody has come there. */
  readonly reached: Promise<void>;
  readonly end: () => void;
}

export function pausing(): Pause {
  const gate = new EventEmitter();
  const over = once(gate, 'end');
  const reached = once(gate, 'reached').then(() => undefined);
  return {
    reached,
    here: async () => {
      gate.emit('reached');
      await over;
    },
    end: () => {
      gate.emit('end');
    },
  };
}

/** Callers alone reach `b`; they pause when it is done there. */
export function onlyCallersReachB(pause: Pause): Probe {
  return async (point, { branch, driver }) => {
    if (branch !== 'to') return;
    if (point === 'before' && !driver.startsWith('state:')) throw new Error('away');
    if (point === 'committed') await pause.here();
  };
}
