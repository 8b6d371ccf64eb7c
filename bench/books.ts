import type { Database } from '../src/kit/database/index.js';

/** The books of the benchmark: a fast system that loses or doubles an effect does not count. */

/** The databases that the benchmark's three steps write to. */
export interface BenchDatabases {
  readonly orders: Database;
  readonly payments: Database;
  readonly inventory: Database;
}

/** Every account that an order can move, by name. */
export type Accounts = ReadonlyMap<string, number>;

const POINTS = `select 'points of ' || customer_id as account, points::float8 as value from customers`;
const WALLETS = `select 'wallet of ' || customer_id as account, balance::float8 as value from wallets`;
const STOCK = `select 'stock of ' || sku as account, available::float8 as value from stock`;
const ORDERS = `select 'orders ' || status as account, count(*)::float8 as value from orders group by status`;

/** Reads all accounts. */
export async function readAccounts({ orders, payments, inventory }: BenchDatabases): Promise<Accounts> {
  type Row = { account: string; value: number };
  const rows = await Promise.all([
    orders.run<Row>(POINTS),
    orders.run<Row>(ORDERS),
    payments.run<Row>(WALLETS),
    inventory.run<Row>(STOCK),
  ]);
  return new Map(rows.flat().map(({ account, value }) => [account, value]));
}

/** Every account that did not change as it should have: one line each. */
export function differences(before: Accounts, after: Accounts, effects: ReadonlyMap<string, number>): string[] {
  return [...new Set([...before.keys(), ...after.keys(), ...effects.keys()])].flatMap((account) => {
    const expected = (before.get(account) ?? 0) + (effects.get(account) ?? 0);
    const found = after.get(account) ?? 0;
    return found === expected ? [] : [`${account} is ${found}, not ${expected}`];
  });
}
