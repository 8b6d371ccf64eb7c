import type { ServiceName } from '../../src/activities/index.js';
import type { PurchaseService } from './copies.js';
import type { Fault } from './faults-of.js';

/** Damage of balances, and of purchases: see faults.ts. */

/** A ledger's three kinds of wrong balances, each of an account of its own. They come last: until then balances are kept right. */
const wrongBalances = (
  name: string,
  service: ServiceName,
  {
    accounts,
    entries,
    key,
    balance,
    kind,
  }: { accounts: string; entries: string; key: string; balance: string; kind: string },
) => {
  const open = (account: string, has: number, entered: number) =>
    `insert into ${accounts} (${key}, ${balance}) values ('${account}', ${has});` +
    (entered === 0
      ? ''
      : `insert into ${entries} (${key}, kind, amount) values ('${account}', '${kind}', ${entered});`);
  return [
    { service, sql: open(`${name}-w1`, 5, 0), expect: [`${name}-without-entries`, `${name}-w1`] },
    { service, sql: open(`${name}-w2`, 0, 5), expect: [`${name}-emptied`, `${name}-w2`] },
    { service, sql: open(`${name}-w3`, 6, 5), expect: [`${name}-balance-differs`, `${name}-w3`] },
  ] as const;
};

export const balanceFaults = [
  ...wrongBalances('wallet', 'payments', {
    ...{ accounts: 'wallets', entries: 'wallet_entries', key: 'customer_id', balance: 'balance', kind: 'deposit' },
  }),
  ...wrongBalances('stock', 'inventory', {
    ...{ accounts: 'stock', entries: 'stock_entries', key: 'sku', balance: 'available', kind: 'delivered' },
  }),
  ...wrongBalances('points', 'orders', {
    ...{ accounts: 'customers', entries: 'point_entries', key: 'customer_id', balance: 'points', kind: 'opening' },
  }),
  ...wrongBalances('books', 'warehouse', {
    ...{ accounts: 'books', entries: 'book_entries', key: 'book', balance: 'copies', kind: 'delivered' },
  }),
  {
    service: 'bank_b',
    sql: `insert into accounts (account, balance) values ('w1', 5)`,
    expect: ['account-without-entries', 'bank_b:w1'],
  },
  {
    service: 'bank_b',
    sql: `insert into accounts (account) values ('w2');
    insert into entries (gid, branch, kind, account, amount) values ('opening', 'w2', 'opening', 'w2', 5), ('opening', 'w2', 'opening', 'cash', -5)`,
    expect: ['account-emptied', 'bank_b:w2'],
  },
  {
    service: 'bank_b',
    sql: `insert into accounts (account, balance) values ('w3', 6);
    insert into entries (gid, branch, kind, account, amount) values ('opening', 'w3', 'opening', 'w3', 5), ('opening', 'w3', 'opening', 'cash', -5)`,
    expect: ['account-balance-differs', 'bank_b:w3'],
  },
] as const satisfies readonly { service: ServiceName; sql: string; expect: readonly [string, string] }[];

/** Of a purchase that was paid at bank_a, credited at bank_c, and sent. */
export type PurchaseFault = Fault<'bought', PurchaseService>;

const SENT = `delete from parcels where gid = 'purchase-:id'; delete from book_entries where order_id = 'purchase-:id'`;
const CREDITED = `delete from entries where gid = 'purchase-:id'`;
const BOUGHT = `delete from purchases where gid = 'purchase-:id'`;
const moved = (by: number) => `update entries set amount = amount + sign(amount) * ${by} where gid = 'purchase-:id'`;

export const purchaseFaults: readonly PurchaseFault[] = [
  { base: 'bought', expect: ['purchase-not-debited'], sql: { bank_a: CREDITED } },
  { base: 'bought', expect: ['debit-without-purchase'], sql: { bank_a: BOUGHT, bank_c: CREDITED, warehouse: SENT } },
  { base: 'bought', expect: ['purchase-debit-differs'], sql: { bank_a: moved(1) } },
  { base: 'bought', expect: ['purchase-without-parcel'], sql: { warehouse: SENT } },
  { base: 'bought', expect: ['parcel-without-purchase'], at: ['warehouse'] },
  {
    base: 'bought',
    expect: ['parcel-differs'],
    sql: {
      warehouse: `update parcels set copies = copies + 1 where gid = 'purchase-:id'; update book_entries set amount = amount - 1 where order_id = 'purchase-:id'`,
    },
  },
  {
    base: 'bought',
    expect: ['warehouse-not-told'],
    repaired: ['warehouse-not-told'],
    sql: {
      bank_a: `update purchases set warehouse = 'in progress', warehouse_at = null where gid = 'purchase-:id'`,
      warehouse: SENT,
    },
  },
  { base: 'bought', expect: ['purchase-not-credited'], sql: { bank_c: CREDITED } },
  { base: 'bought', expect: ['credit-without-purchase'], at: ['bank_c'] },
  { base: 'bought', expect: ['purchase-credit-differs'], sql: { bank_c: moved(1) } },
  {
    base: 'bought',
    expect: ['merchant-not-told'],
    repaired: ['merchant-not-told'],
    sql: {
      bank_a: `update purchases set merchant = 'in progress', merchant_at = null where gid = 'purchase-:id'`,
      bank_c: CREDITED,
    },
  },
  {
    base: 'bought',
    expect: ['parcel-without-entries'],
    sql: { warehouse: `delete from book_entries where order_id = 'purchase-:id'` },
  },
  {
    base: 'bought',
    expect: ['entries-without-parcel', 'purchase-without-parcel'],
    sql: { warehouse: `delete from parcels where gid = 'purchase-:id'` },
  },
  {
    base: 'bought',
    expect: ['parcel-entries-differ'],
    sql: { warehouse: `update book_entries set amount = amount - 1 where order_id = 'purchase-:id'` },
  },
];
