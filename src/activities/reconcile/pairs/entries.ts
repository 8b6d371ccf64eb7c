import type { Database, Pair } from '../../../kit/database/index.js';
import { booksLedger } from '../../warehouse/migrations.js';
import { stockLedger } from '../../inventory/migrations.js';
import { walletsLedger } from '../../payments/migrations.js';
import { pointsLedger } from '../../orders/migrations.js';
import type { Ledger } from '../../ledger.js';
import { gidsOfOrder, SINCE } from '../orders.js';
import { sidedPair } from '../local.js';

/** Within a service: records and the entries that moved for them, and balances and the sums of their entries. */

/** A payment has moved what it says; nothing has moved without one. */
export function paymentsEntries(database: Database): Pair {
  return sidedPair({
    name: 'payments-entries',
    what: 'the entries of a wallet are those of the payments',
    by: 'ranges',
    gidsOf: gidsOfOrder,
    nouns: ['payment', 'entries'],
    sides: [
      one(
        database,
        `select order_id as key, case status when 'captured' then -amount when 'frozen' then -amount else 0 end || ' ' ||
          case status when 'frozen' then amount else 0 end as value
        from payments where status not in ('requested', 'expired') and captured_at >= ${SINCE}`,
      ),
      one(database, ofOrders(walletsLedger)),
    ],
    classes: {
      missing: ['payment-without-entries', 'a payment has moved no money'],
      surplus: ['entries-without-payment', 'money of a wallet has moved for an order that has no payment'],
      differs: [
        'payment-entries-differ',
        'what a payment has moved is not what it says: an entry is missing, changed or there twice',
      ],
    },
  });
}

/** A reservation has moved what it says; nothing has moved without one. */
export function reservationsEntries(database: Database): Pair {
  return sidedPair({
    name: 'reservations-entries',
    what: 'the entries of the stock are those of the reservations',
    by: 'ranges',
    gidsOf: gidsOfOrder,
    nouns: ['reservation', 'entries'],
    sides: [
      one(
        database,
        `select order_id as key, case status when 'released' then 0 else -units end || ' ' ||
          case status when 'frozen' then units else 0 end as value from reservations where reserved_at >= ${SINCE}`,
      ),
      one(database, ofOrders(stockLedger)),
    ],
    classes: {
      missing: ['reservation-without-entries', 'a reservation has moved no stock'],
      surplus: ['entries-without-reservation', 'stock has moved for an order that has no reservation'],
      differs: [
        'stock-entries-differ',
        'what a reservation has moved is not what it says: an entry is missing, changed or there twice',
      ],
    },
  });
}

/** A parcel of books has taken what it says from the warehouse. */
export function parcelsEntries(database: Database): Pair {
  return sidedPair({
    name: 'parcels-entries',
    what: "the entries of the warehouse's books are those of its parcels",
    by: 'ranges',
    gidsOf: (gid) => [gid],
    nouns: ['parcel', 'entries'],
    sides: [
      one(database, `select gid as key, -copies || ' 0' as value from parcels where taken_at >= ${SINCE}`),
      one(database, ofOrders(booksLedger)),
    ],
    classes: {
      missing: ['parcel-without-entries', 'a parcel has taken no books from the stock'],
      surplus: ['entries-without-parcel', 'books were taken from the stock for a purchase that has no parcel'],
      differs: ['parcel-entries-differ', 'what a parcel has taken is not what it says'],
    },
  });
}

/** A balance is the sum of its entries, read at one moment. */
export function balances(database: Database, ledger: Ledger, name: string, noun: string): Pair {
  const { accounts, entries, key, balance, freezes } = ledger;
  const frozen = freezes ? 'frozen' : '0';
  return sidedPair({
    ...balanceOf(name, noun),
    sides: [
      one(
        database,
        `select ${key} as key, ${balance} || ' ' || ${frozen} as value from ${accounts} where ${balance} <> 0 or ${frozen} <> 0`,
      ),
      one(
        database,
        `select ${key} as key, sum(amount) || ' ' || sum(${frozen}) as value from ${entries} group by ${key}
        having sum(amount) <> 0 or sum(${frozen}) <> 0`,
      ),
    ],
  });
}

/** All ledgers' balances. */
export function ledgerBalances(
  databases: Readonly<Record<'orders' | 'payments' | 'inventory' | 'warehouse', Database>>,
) {
  return [
    balances(databases.payments, walletsLedger, 'wallet', 'the balance of a wallet'),
    balances(databases.inventory, stockLedger, 'stock', 'the stock of an article'),
    balances(databases.orders, pointsLedger, 'points', 'the balance of points of a customer'),
    balances(databases.warehouse, booksLedger, 'books', 'the stock of a book'),
  ];
}

/** What banks' accounts have, what is held of it, and by how many holds. @param bank a name, the same in the keys */
export function accountBalances(banks: Readonly<Record<string, Database>>): Pair {
  const parts = (text: (bank: string) => string) => ({
    parts: Object.entries(banks).map(([bank, database]) => ({ database, rows: text(bank) })),
  });
  return sidedPair({
    ...balanceOf('account', "the balance of a bank's account, or what is held of it,"),
    sides: [
      parts(
        (bank) => `select '${bank}:' || account as key, balance || ' ' || held || ' ' || holds as value from accounts
        where balance <> 0 or held <> 0 or holds <> 0`,
      ),
      parts(
        (
          bank,
        ) => `select '${bank}:' || account as key, sum(balance) || ' ' || sum(held) || ' ' || sum(holds) as value from (
          select account, amount as balance, 0 as held, 0 as holds from entries where account not in ('clearing', 'cash')
          union all
          select account, 0, case kind when 'debit' then amount else 0 end, 1 from holds where state = 'held'
        ) as moved group by account having sum(balance) <> 0 or sum(held) <> 0 or sum(holds) <> 0`,
      ),
    ],
  });
}

function balanceOf(name: string, noun: string) {
  return {
    name: `${name}-balances`,
    what: `${noun} is the sum of its entries`,
    by: 'buckets' as const,
    gidsOf: () => [],
    nouns: ['balance', 'sum of the entries'] as const,
    classes: {
      missing: [`${name}-without-entries`, `${noun} is something that no entry accounts for`] as const,
      surplus: [`${name}-emptied`, `${noun} is nothing, and its entries come to something`] as const,
      differs: [`${name}-balance-differs`, `${noun} is not what its entries come to`] as const,
    },
  };
}

/** What the entries of each order come to. */
function ofOrders({ entries, freezes }: Ledger): string {
  return `select order_id as key, sum(amount) || ' ' || ${freezes ? 'sum(frozen)' : '0'} as value from ${entries}
  where order_id is not null group by order_id having max(entered_at) >= ${SINCE}`;
}

function one(database: Database, rows: string) {
  return { parts: [{ database, rows }] };
}
