import pg from 'pg';
import { ENDED } from '../../../src/activities/banks/transfers-sql.js';
import { bankNames, type BankName } from '../../../src/contracts/transfer.js';
import { parseName } from '../../../src/kit/database/prepared/name.js';
import type { Place } from './business.js';

/** All that the banks have, as it was committed. Amounts are cents. */
export interface Seen {
  readonly accounts: readonly {
    readonly bank: BankName;
    readonly account: string;
    readonly balance: number;
    /** What of it is held, and by how many holds. */
    readonly held: number;
    readonly holds: number;
    readonly lockedBy: string | null;
  }[];
  /** Movements of customers' accounts, without those that opened them. */
  readonly entries: readonly (Part & { readonly kind: string; readonly amount: number })[];
  readonly holds: readonly (Part & {
    readonly kind: 'debit' | 'credit';
    readonly amount: number;
    readonly state: 'held' | 'confirmed' | 'cancelled';
  })[];
  /** What two-phase and three-phase commits have announced, before they prepared it. */
  readonly announced: readonly {
    readonly bank: BankName;
    readonly gid: string;
    readonly debits: number;
    readonly credits: number;
    readonly state: 'announced' | 'moved' | 'dropped';
    /** Its branch is barred or was refused: nothing of it is moved any more, and a scan drops it. */
    readonly isEnded: boolean;
  }[];
  /** Prepared transactions; one that is not the kit's has its whole name. */
  readonly prepared: readonly { readonly bank: BankName; readonly gid: string }[];
}

/** Of which part of a transfer, and of which account. */
interface Part {
  readonly bank: BankName;
  readonly gid: string;
  readonly branch: string;
  readonly account: string;
}

const ACCOUNTS = `
select account, balance::float8 as balance, held::float8 as held, holds, locked_by as "lockedBy" from accounts`;
const ENTRIES = `
select gid, branch, kind, account, amount::float8 as amount from entries
where account not in ('clearing', 'cash') and kind <> 'opening' order by gid, branch, kind`;
const HOLDS = `select gid, branch, account, kind, amount::float8 as amount, state from holds order by gid, branch`;
const ANNOUNCED = `
select gid, debits::float8 as debits, credits::float8 as credits, state, ${ENDED} as "isEnded"
from transfers order by gid, branch`;
const PREPARED = 'select gid from pg_prepared_xacts where database = current_database() order by gid';

/** Reads all of it. */
export async function readBanks({ databaseUrl }: Place): Promise<Seen> {
  const each = await Promise.all(bankNames.map((bank) => readBank(bank, databaseUrl(bank))));
  return {
    accounts: each.flatMap(({ accounts }) => accounts),
    entries: each.flatMap(({ entries }) => entries),
    holds: each.flatMap(({ holds }) => holds),
    announced: each.flatMap(({ announced }) => announced),
    prepared: each.flatMap(({ prepared }) => prepared),
  };
}

async function readBank(bank: BankName, connectionString: string): Promise<Seen> {
  const database = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000 });
  await database.connect();
  async function read<Row extends object>(query: string): Promise<(Row & { bank: BankName })[]> {
    const { rows } = await database.query<Row>(query);
    return rows.map((row) => ({ ...row, bank }));
  }
  try {
    const prepared = await read<{ gid: string }>(PREPARED);
    return {
      accounts: await read(ACCOUNTS),
      entries: await read(ENTRIES),
      holds: await read(HOLDS),
      announced: await read(ANNOUNCED),
      prepared: prepared.map(({ gid }) => ({ bank, gid: parseName(gid)?.gid ?? gid })),
    };
  } finally {
    await database.end();
  }
}
