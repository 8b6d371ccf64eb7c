import { exactCents, type ExactCents } from '../../contracts/money.js';
import { MAX_DIFFERENCES } from '../../contracts/shop.js';
import type { BankName } from '../../contracts/transfer.js';
import { merchantAccount, purchaseGid, type Progress } from '../../contracts/bookstore.js';
import type { Database } from '../../kit/database/index.js';
import type { Findings } from '../books/findings.js';
import { streamByOrder, type OrderRow } from '../books/pages.js';
import { CREDITED, PURCHASES, UNPAID } from './purchases-sql.js';
import { ENDED } from './transfers-sql.js';

/** Accounts that are not what their entries and holds come to. */
const IMBALANCES = `
select account as subject, checked.name, checked.expected::text as expected, checked.found::text as found,
  (count(*) over ())::int as count
from accounts
full join (select account, sum(amount) as entered from entries where account not in ('clearing', 'cash') group by account)
  as sums using (account)
left join (
  select account, count(*) as holds, sum(amount) filter (where kind = 'debit') as held
  from holds where state = 'held' group by account
) as held_now using (account)
cross join lateral (
  values
    ('balance is the sum of its entries', coalesce(entered, 0), balance),
    ('held is the sum of its holds', coalesce(held_now.held, 0), accounts.held),
    ('holds is the number of its holds', coalesce(held_now.holds, 0), accounts.holds)
) as checked (name, expected, found)
where checked.expected is distinct from checked.found
order by account, checked.name limit $1`;

/** Movements that are not two entries that sum to 0, one of them of the bank itself. */
const HALVES = `
select gid || ' ' || branch || ' ' || kind as subject, count(*)::text || ' entries that sum to ' || sum(amount) as found,
  (count(*) over ())::int as count
from entries group by gid, branch, kind
having count(*) <> 2 or sum(amount) <> 0 or count(*) filter (where account in ('clearing', 'cash')) <> 1
order by 1 limit $1`;

/** Transfers by two-phase commit that have not moved what they say: all of it, or nothing. */
const TRANSFERS = `
select gid || ' ' || branch as subject, expected::text, entered::text as found, (count(*) over ())::int as count
from transfers
cross join lateral (
  select coalesce(sum(amount), 0) as entered from entries where entries.gid = transfers.gid and account <> 'clearing'
) as sums
cross join lateral (select case state when 'moved' then credits - debits else 0 end as expected) as due
where entered <> expected
order by 1 limit $1`;

const ANNOUNCED = `select gid, (credits - debits)::text as net from transfers where state = 'announced' and not ${ENDED}`;
const MOVED = `select gid from transfers where gid = any ($1::text[]) and state = 'moved'`;

const CLEARING = `select coalesce(sum(amount), 0) as cents from entries where account = 'clearing' and gid = any ($1::text[])`;

const TOTALS = `
select
  (select coalesce(sum(balance), 0) from accounts) as balances,
  (select coalesce(sum(held), 0) from accounts) as held,
  (select coalesce(sum(amount), 0) from entries where account = 'clearing') as clearing,
  (select coalesce(-sum(amount), 0) from entries where account = 'cash') as "paidIn",
  (select count(*) from holds where state = 'held')::int as holds`;

/** What a bank has in all, in cents. */
export interface BankTotals {
  /** What was paid in when accounts were opened. */
  readonly paidIn: ExactCents;
  /** What all accounts have, what is held of it included. */
  readonly balances: ExactCents;
  readonly held: ExactCents;
  /**
   * What transfers took out of the bank's accounts and did not put into them. Of all banks together it is 0 when no transfer is
   * under way.
   */
  readonly clearing: ExactCents;
  /** Holds that wait for their confirm or cancel. */
  readonly holds: number;
}

/** A purchase as its customer's bank has it, by its id. Cents are text, and exact. */
export interface PurchaseRecord extends OrderRow {
  book: string;
  copies: number;
  cents: string;
  warehouse: Progress;
  merchant: Progress;
  debited: string | null;
}

/** What the merchant was credited for a purchase. */
export interface CreditedRecord extends OrderRow {
  cents: string;
}

const purchasePrefix = [purchaseGid(''), purchaseGid('').length + 1] as const;

/** Gids that are read at a time. */
const PAGE = 500;

/** How the books read a bank. */
export function readBank(bank: BankName, database: Database) {
  return {
    name: bank,

    async totals(): Promise<BankTotals> {
      type Row = Record<Exclude<keyof BankTotals, 'holds'>, string> & { holds: number };
      const [row] = await database.run<Row>(TOTALS);
      const sum = (name: Exclude<keyof BankTotals, 'holds'>) => exactCents(row?.[name] ?? 0);
      return {
        paidIn: sum('paidIn'),
        balances: sum('balances'),
        held: sum('held'),
        clearing: sum('clearing'),
        holds: row?.holds ?? 0,
      };
    },

    /** The purchases of its customers. */
    purchases: () => streamByOrder<PurchaseRecord>(database, PURCHASES, ...purchasePrefix),

    /** What the merchant was credited, if it has its account here. */
    credited: () => streamByOrder<CreditedRecord>(database, CREDITED, ...purchasePrefix, merchantAccount.account),

    /** The gids of purchases of which the merchant has not acknowledged its part, or will never do it. */
    async *unpaid(): AsyncGenerator<string[]> {
      for (let after = ''; ;) {
        const gids = (await database.run<{ gid: string }>(UNPAID, [after, PAGE])).map(({ gid }) => gid);
        const last = gids.at(-1);
        if (last === undefined) return;
        yield gids;
        after = last;
      }
    },

    /** What these transfers together have taken out of the bank's accounts and not put into them, in cents. */
    async clearingOf(gids: readonly string[]): Promise<bigint> {
      const [row] = await database.run<{ cents: string }>(CLEARING, [gids]);
      return BigInt(row?.cents ?? 0);
    },

    /** What two-phase commits have announced here and neither moved nor dropped: what each is to put into the bank, in cents. */
    async announced(): Promise<Map<string, bigint>> {
      const rows = await database.run<{ gid: string; net: string }>(ANNOUNCED);
      return new Map(rows.map(({ gid, net }) => [gid, BigInt(net)]));
    },

    /** Which of these two-phase commits have moved here what they announced. */
    async moved(gids: readonly string[]): Promise<string[]> {
      return (await database.run<{ gid: string }>(MOVED, [gids])).map(({ gid }) => gid);
    },

    /** Proves each account, each movement, and the bank as a whole. */
    async prove(findings: Findings): Promise<void> {
      type Imbalance = { subject: string; name: string; expected: string | null; found: string | null; count: number };
      const imbalances = await database.run<Imbalance>(IMBALANCES, [MAX_DIFFERENCES]);
      for (const { subject, name, expected, found } of imbalances) {
        findings.compare(`accounts.${name}`, `${bank}:${subject}`, expected ?? 'none', found ?? 'no account');
      }
      findings.addUnlisted((imbalances[0]?.count ?? 0) - imbalances.length);
      const halves = await database.run<{ subject: string; found: string; count: number }>(HALVES, [MAX_DIFFERENCES]);
      for (const { subject, found } of halves) {
        findings.compare('a movement is two entries that sum to 0', `${bank}: ${subject}`, '2 entries', found);
      }
      findings.addUnlisted((halves[0]?.count ?? 0) - halves.length);
      type Transfer = { subject: string; expected: string; found: string; count: number };
      const transfers = await database.run<Transfer>(TRANSFERS, [MAX_DIFFERENCES]);
      for (const { subject, expected, found } of transfers) {
        findings.compare('a transfer moves what it announced', `${bank}: ${subject}`, expected, found);
      }
      findings.addUnlisted((transfers[0]?.count ?? 0) - transfers.length);
      const { paidIn, balances, clearing } = await this.totals();
      findings.compare(
        'balances + clearing = paid in',
        bank,
        String(paidIn),
        String(BigInt(balances) + BigInt(clearing)),
      );
    },
  };
}

/**
 * What two-phase commits have moved at some of the banks and not yet at others, in cents: of one that has moved anywhere, what it
 * is still to move. At a moment at which nothing is committed, the balances of all banks and this are what was paid in.
 */
export async function centsInFlight(banks: readonly BankReader[]): Promise<ExactCents> {
  const announced = await Promise.all(banks.map((bank) => bank.announced()));
  const gids = [...new Set(announced.flatMap((each) => [...each.keys()]))];
  const moved = new Set((await Promise.all(banks.map((bank) => bank.moved(gids)))).flat());
  let cents = 0n;
  for (const each of announced) for (const [gid, net] of each) if (moved.has(gid)) cents += net;
  return exactCents(cents);
}

export type BankReader = ReturnType<typeof readBank>;
