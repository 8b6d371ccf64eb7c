import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { bankNames, type BankName } from '../../src/contracts/transfer.js';

/** What the banks' databases, which are one server's, tell of locked accounts. */

/** The URLs of the banks' databases. */
export type BankUrls = Readonly<Record<BankName, string>>;

/**
 * Looks at the server's locks so many times, and sums the transactions that have locked accounts: they hold the table in a mode
 * that lets them write, have an id, and wait for nothing. One that is prepared is such a transaction too, of no connection. It
 * looks from within the server, so that a busy process that asks cannot choose the moments.
 */
const LOOK = `
create function pg_temp.look(databases oid[], tables oid[], times integer) returns bigint language plpgsql as $$
declare
  total bigint := 0;
  found bigint;
begin
  for look in 1 .. times loop
    with locks as materialized (select * from pg_locks)
    select count(distinct virtualtransaction) into found from locks
    where locktype = 'relation' and granted and mode in ('RowShareLock', 'RowExclusiveLock')
      and (database, relation) in (select * from unnest(databases, tables))
      and virtualtransaction in (
        select virtualtransaction from locks where locktype = 'transactionid' and mode = 'ExclusiveLock'
      )
      and virtualtransaction not in (select virtualtransaction from locks where not granted);
    total := total + found;
    perform pg_sleep(0.01);
  end loop;
  return total;
end
$$`;
const TIMES = 10;

const TABLE = `
select (select oid from pg_database where datname = current_database())::text as database, 'accounts'::regclass::oid::text as table`;

/** Watches how many transactions have locked accounts, until it is stopped. */
export class LockWatch {
  readonly #client: pg.Client;
  readonly #values: unknown[];
  readonly #watching: Promise<void>;
  #looks = 0;
  #found = 0;
  #over = false;

  private constructor(client: pg.Client, values: unknown[]) {
    this.#client = client;
    this.#values = values;
    this.#watching = this.#watch();
    this.#watching.catch(() => undefined); // Whoever stops it hears of it.
  }

  static async start(urls: BankUrls): Promise<LockWatch> {
    const tables = await Promise.all(bankNames.map((bank) => withClient(urls[bank], tableOf)));
    const client = new pg.Client({ connectionString: urls[bankNames[0]] });
    await client.connect();
    await client.query(LOOK);
    return new LockWatch(client, [tables.map(({ database }) => database), tables.map(({ table }) => table), TIMES]);
  }

  /** @returns how many there were at a time, on average. @throws if it could not look */
  async stop(): Promise<number> {
    this.#over = true;
    try {
      await this.#watching;
    } finally {
      await this.#client.end();
    }
    return this.#looks === 0 ? 0 : this.#found / this.#looks;
  }

  async #watch(): Promise<void> {
    while (!this.#over) {
      const { rows } = await this.#client.query<{ found: string }>(
        'select pg_temp.look($1::oid[], $2::oid[], $3) as found',
        this.#values,
      );
      this.#found += Number(rows[0]?.found);
      this.#looks += TIMES;
    }
  }
}

const FREE = 'select account from accounts for update skip locked';
const ALL = 'select account from accounts';

/** The accounts that could not be locked at a moment, by bank and name. */
export interface LockedAccounts {
  /** Milliseconds, by a clock that only runs on. */
  readonly at: number;
  readonly accounts: ReadonlySet<string>;
}

/** Tries to lock every account, each so many milliseconds, until it is told to stop. @returns what was locked each time */
export async function watchAccounts(urls: BankUrls, everyMs: number, signal: AbortSignal): Promise<LockedAccounts[]> {
  const clients = bankNames.map((bank) => ({ bank, client: new pg.Client({ connectionString: urls[bank] }) }));
  const moments: LockedAccounts[] = [];
  try {
    for (const { client } of clients) await client.connect();
    do {
      const at = performance.now();
      const locked = await Promise.all(
        clients.map(async ({ bank, client }) => {
          const { rows: free } = await client.query<{ account: string }>(FREE);
          const names = new Set(free.map(({ account }) => account));
          const { rows: all } = await client.query<{ account: string }>(ALL);
          return all.filter(({ account }) => !names.has(account)).map(({ account }) => `${bank} ${account}`);
        }),
      );
      moments.push({ at, accounts: new Set(locked.flat()) });
      await setTimeout(everyMs, undefined, { signal }).catch(() => undefined);
    } while (!signal.aborted);
  } finally {
    await Promise.all(clients.map(({ client }) => client.end()));
  }
  return moments;
}

/** For how long each account was found locked at every moment from one to another, at most; milliseconds. */
export function longestLocked(moments: readonly LockedAccounts[]): Map<string, number> {
  const longest = new Map<string, number>();
  let since = new Map<string, number>();
  for (const { at, accounts } of moments) {
    since = new Map([...accounts].map((account) => [account, since.get(account) ?? at]));
    for (const [account, from] of since) longest.set(account, Math.max(at - from, longest.get(account) ?? 0));
  }
  return longest;
}

async function tableOf(client: pg.Client): Promise<{ database: string; table: string }> {
  const { rows } = await client.query<{ database: string; table: string }>(TABLE);
  const [row] = rows;
  if (row === undefined) throw new Error('a bank has no table of accounts');
  return row;
}

async function withClient<T>(connectionString: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
