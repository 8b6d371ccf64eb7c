import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { bankNames, transferGid, type BankName, type Leg, type Transfer } from '../../../src/contracts/transfer.js';
import { runJob } from '../../../src/kit/client/index.js';
import { lanes, planCalls, type Lane } from '../faults.js';
import { Random } from '../random.js';
import type { Business, Place, TransactionName, Wanted } from './business.js';

/** Accounts of each bank: 300 in all. */
const ACCOUNTS = 100;
/** What each begins with, in cents, and the most that one transfer takes from one of them: some cannot pay. */
const OPENING_CENTS = 10_000;
const MAX_CENTS = 4_000;
const MAX_LEGS = 3;

/** The schemes that money is moved in, each with the lanes that it has. */
const schemes: readonly { readonly transaction: TransactionName; readonly lanes: readonly Lane[] }[] = [
  { transaction: 'transferSaga', lanes },
  { transaction: 'transferSagaLocked', lanes: ['durable', 'lean'] },
  { transaction: 'transferTcc', lanes: ['durable', 'lean'] },
  { transaction: 'transfer2pc', lanes: ['durable'] },
  { transaction: 'transfer3pc', lanes: ['durable'] },
];

const accounts: readonly (readonly [BankName, string])[] = bankNames.flatMap((bank) =>
  Array.from({ length: ACCOUNTS }, (_, index) => [bank, accountOf(index)] as const),
);

/** Money that moves between 300 accounts of three banks, by every scheme. */
export const transfers: Business = {
  first: { branch: 'from-1', services: bankNames },

  wanted(seed, count, choice) {
    const random = new Random(seed ^ 0x7a4f);
    const made = Array.from({ length: count }, (_, index) => {
      const scheme = random.pick(schemes);
      return { ...scheme, input: randomTransfer(random, `c${index + 1}`) };
    });
    const plans = planCalls(
      seed,
      made.map((each) => each.lanes),
      choice,
    );
    return Promise.resolve(
      made.flatMap(({ transaction, input }, index): Wanted[] => {
        const plan = plans[index];
        return plan === undefined ? [] : [{ gid: transferGid(input.id), transaction, input, plan }];
      }),
    );
  },

  async open({ client, temporal }) {
    const names = Array.from({ length: ACCOUNTS }, (_, index) => accountOf(index));
    const opening = bankNames.map((bank) => ({ bank, accounts: names, cents: OPENING_CENTS }));
    await runJob(client, temporal, 'openBanks', `open-banks-${randomUUID()}`, [opening]);
  },

  async rows(place, wanted) {
    const moved = new Map<string, Map<string, number>>();
    for (const { bank, gid, account, amount } of await ofEveryBank<Entry>(place, ENTRIES)) {
      if (Number(amount) === 0 && !moved.has(gid)) moved.set(gid, new Map());
      if (Number(amount) === 0) continue;
      moved.set(gid, (moved.get(gid) ?? new Map<string, number>()).set(`${bank}:${account}`, Number(amount)));
    }
    const known = new Map(wanted.map(({ gid, input }) => [gid, input as Transfer]));
    return new Map([...moved].map(([gid, amounts]) => [gid, comparedWith(known.get(gid), amounts)]));
  },

  /**
   * No money comes or goes: what is on the accounts, what has left one and not come to another by steps that all can see, and
   * what a prepared transaction is still to move, is what was paid in.
   */
  async always(place, wanted) {
    const announces = new Set(
      wanted.filter(({ transaction }) => announcing.includes(transaction)).map(({ gid }) => gid),
    );
    const entries = await ofEveryBank<Entry>(place, ENTRIES);
    const balances = await ofEveryBank<{ sum: string }>(place, 'select coalesce(sum(balance), 0) as sum from accounts');
    const onAccounts = balances.reduce((total, { sum }) => total + Number(sum), 0);
    const onTheWay = entries
      .filter(({ gid }) => !announces.has(gid))
      .reduce((total, { amount }) => total - Number(amount), 0);
    const announced = await announcedCents(place);
    const paidIn = bankNames.length * ACCOUNTS * OPENING_CENTS;
    if (onAccounts + onTheWay + announced === paidIn) return [];
    return [
      `${onAccounts} cents on the accounts, ${onTheWay} on the way, ${announced} announced: ${paidIn} were paid in`,
    ];
  },

  async leftovers(place) {
    const holds = await ofEveryBank<{ gid: string; branch: string }>(
      place,
      "select gid, branch from holds where state = 'held'",
    );
    const prepared = await ofEveryBank<{ gid: string }>(
      place,
      'select gid from pg_prepared_xacts where database = current_database()',
    );
    return [
      ...holds.map(({ bank, gid, branch }) => `${bank}: a hold is left, of ${gid} ${branch}`),
      ...prepared.map(({ bank, gid }) => `${bank}: a prepared transaction is left, ${gid}`),
    ];
  },
};

/** Transfers that say how much they will move before they prepare it. */
const announcing: readonly TransactionName[] = ['transfer2pc', 'transfer3pc'];

/** What transfers that have moved somewhere are still to move elsewhere, by the rows that were committed before. */
async function announcedCents(place: Place): Promise<number> {
  type Row = { gid: string; net: string; state: string };
  const rows = await ofEveryBank<Row>(place, 'select gid, credits - debits as net, state from transfers');
  const moved = new Set(rows.filter(({ state }) => state === 'moved').map(({ gid }) => gid));
  return rows
    .filter(({ gid, state }) => state === 'announced' && moved.has(gid))
    .reduce((sum, { net }) => sum + Number(net), 0);
}

interface Entry {
  readonly gid: string;
  readonly account: string;
  readonly amount: string;
}

/** What each transaction has moved on each account, in all. */
const ENTRIES = `
select gid, account, sum(amount) as amount from entries
where account not in ('clearing', 'cash') and kind <> 'opening' group by gid, account`;

/** `done`: exactly what was asked; `undone`: nothing, in the end. */
function comparedWith(transfer: Transfer | undefined, amounts: ReadonlyMap<string, number>): string {
  if (amounts.size === 0) return 'undone';
  if (transfer === undefined) return 'moved, and not known';
  const asked = new Map([...transfer.from.map(signed(-1)), ...transfer.to.map(signed(1))]);
  const same = asked.size === amounts.size && [...asked].every(([key, amount]) => amounts.get(key) === amount);
  return same ? 'done' : `moved ${[...amounts].map(([key, amount]) => `${amount} on ${key}`).join(', ')} only`;
}

function signed(sign: 1 | -1): (leg: Leg) => [string, number] {
  return ({ bank, account, amount }) => [`${bank}:${account}`, sign * amount];
}

/** From 1 to 3 accounts to 1 to 3 others. */
function randomTransfer(random: Random, id: string): Transfer {
  const chosen = random.shuffled(accounts);
  const from = chosen.slice(0, random.integer(1, MAX_LEGS)).map(([bank, account]) => ({
    bank,
    account,
    amount: random.integer(MAX_LEGS, MAX_CENTS),
  }));
  const sum = from.reduce((total, { amount }) => total + amount, 0);
  const targets = chosen.slice(from.length, from.length + random.integer(1, MAX_LEGS));
  const share = Math.floor(sum / targets.length);
  const to = targets.map(([bank, account], index) => ({
    bank,
    account,
    amount: index === 0 ? sum - share * (targets.length - 1) : share,
  }));
  return { id, from, to };
}

function accountOf(index: number): string {
  return `a${String(index + 1).padStart(3, '0')}`;
}

/** The rows of each bank. */
async function ofEveryBank<Row extends object>(
  { databaseUrl }: Place,
  query: string,
): Promise<(Row & { bank: BankName })[]> {
  const all: (Row & { bank: BankName })[] = [];
  for (const bank of bankNames) {
    const database = new pg.Client({ connectionString: databaseUrl(bank), connectionTimeoutMillis: 10_000 });
    await database.connect();
    try {
      const { rows } = await database.query<Row>(query);
      all.push(...rows.map((row) => ({ ...row, bank })));
    } finally {
      await database.end();
    }
  }
  return all;
}
