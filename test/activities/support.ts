import assert from 'node:assert/strict';
import pg from 'pg';
import { createFaults, type Faults } from '../../src/activities/faults.js';
import {
  createShop,
  migrateShop,
  serviceNames,
  type ServiceName,
  type Shop,
  type ShopDatabases,
} from '../../src/activities/index.js';
import type { Books } from '../../src/contracts/shop.js';
import type { PlaceOrder } from '../../src/contracts/place-order.js';
import { pgDatabase, type Database } from '../../src/kit/database/index.js';
import type { Op, Operation } from '../../src/kit/workflow/branch.js';
import { testDatabase } from '../support/servers.js';

/** A shop on databases of its own. */
export interface TestShop {
  shop: Shop;
  faults: Faults;
  databases: ShopDatabases;
  /** Where each is. */
  urls: Readonly<Record<ServiceName, string>>;
  /** Runs a statement in a service's database. */
  sql<Row extends object>(service: ServiceName, text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Runs a statement with the database's rules (triggers, foreign keys) switched off: what a broken program or disk does. */
  damage(service: ServiceName, text: string): Promise<void>;
  /** Empties all tables. */
  empty(): Promise<void>;
  close(): Promise<void>;
}

const tables: Record<ServiceName, string> = {
  orders: 'customers, point_entries, orders, order_moves, sale_orders, backstitch.outbox, backstitch.inbox',
  payments: 'wallets, wallet_entries, payments',
  inventory: 'stock, stock_entries, reservations, backstitch.occupancy, backstitch.occupancy_pools',
  shipping: 'shipments, recalls, amends_log',
  notifications: 'notifications',
  bank_a: 'accounts, entries, holds, transfers, purchases, backstitch.outbox, backstitch.inbox',
  bank_b: 'accounts, entries, holds, transfers, purchases, backstitch.outbox, backstitch.inbox',
  bank_c: 'accounts, entries, holds, transfers, purchases, backstitch.outbox, backstitch.inbox',
  warehouse: 'books, book_entries, parcels, restocks, pick_jobs, backstitch.inbox, backstitch.outbox',
  callers: 'backstitch.state_table',
  coupons: 'coupons, coupon_moves',
};

export async function openTestShop(): Promise<TestShop> {
  const opened = await Promise.all(
    serviceNames.map(async (service) => {
      const database = await testDatabase(service);
      return { service, database, pool: new pg.Pool({ connectionString: database.url, max: 10 }) };
    }),
  );
  const databases = Object.fromEntries(opened.map(({ service, pool }) => [service, pgDatabase(pool)])) as Record<
    ServiceName,
    Database
  >;
  await migrateShop(databases);
  const faults = createFaults();
  const damage = (service: ServiceName, text: string) =>
    databases[service].transaction(async (sql) => {
      await sql('set local session_replication_role = replica');
      await sql(text);
    });
  return {
    shop: createShop({ databases, probe: faults.probe }),
    faults,
    databases,
    urls: Object.fromEntries(opened.map(({ service, database }) => [service, database.url])) as TestShop['urls'],
    sql: (service, text, values) => databases[service].run(text, values),
    damage,
    async empty() {
      for (const service of serviceNames) await damage(service, `truncate ${tables[service]}, backstitch.guard`);
    },
    async close() {
      await Promise.all(
        opened.map(async ({ pool, database }) => {
          await pool.end();
          await database.drop();
        }),
      );
    },
  };
}

/** Gives a group of tests a shop, stocked anew for each, and prepared further as they like. */
export function stockTestShop(take: (test: TestShop) => void, prepare?: () => Promise<void>): void {
  let test: TestShop;
  before(async () => {
    test = await openTestShop();
    take(test);
  });
  after(() => test.close());
  beforeEach(async () => {
    await test.empty();
    await stockUp(test);
    await prepare?.();
  });
}

/** The differences of the books as `check | subject | expected | found`. */
export function linesOf({ differences }: Books): string[] {
  return differences.map(({ check, subject, expected, found }) => [check, subject, expected, found].join(' | ')).sort();
}

/** The operation that a driver would hand to a participant's function. */
export function operation(name: string, gid: string, call: Partial<Operation> = {}): Operation {
  const branch = name.slice(0, name.lastIndexOf('.'));
  const op = name.slice(branch.length + 1) as Op;
  const signal = new AbortController().signal;
  const rest = { scheme: 'saga', seq: 1, driver: 'test', who: 'test', attempt: 1, timeoutMs: 20_000, signal } as const;
  return { gid, branch, op, function: name, ...rest, ...call };
}

/** Orders for tests: 2 CDs for 29.33 by customer c1, unless told otherwise. */
export function orderOf(orderId: string, order: Partial<PlaceOrder> = {}): Omit<PlaceOrder, 'sequence'> {
  return { orderId, customerId: 'c1', sku: 'cd', units: 2, amount: 2_933, ...order };
}

/** Opens the shop: customers with 100.00 and 1,000 points each, and 100 CDs. */
export async function stockUp({ shop }: TestShop, customerIds: string[] = ['c1', 'c2']): Promise<void> {
  await shop.plain['orders.openCustomers']({ customerIds, points: 1_000 });
  await shop.plain['payments.openWallets']({ customerIds, cents: 10_000 });
  await shop.plain['inventory.deliver']({ sku: 'cd', units: 100 });
}

/** What a saga does of an order, up to a step: each part in the saga's order. */
export async function advance(
  { shop }: TestShop,
  order: Omit<PlaceOrder, 'sequence'>,
  until: 'created' | 'paid' | 'reserved' | 'placed' = 'placed',
): Promise<void> {
  const { orders, payments, inventory, shipping, notifications } = shop.participants;
  const { orderId, customerId, sku, units, amount } = order;
  const gid = `order-${orderId}`;
  await orders.create.action(operation('orders.create.action', gid), order);
  if (until === 'created') return;
  await payments.charge.action(operation('payments.charge.action', gid), { orderId, customerId, amount });
  if (until === 'paid') return;
  await inventory.reserve.action(operation('inventory.reserve.action', gid), [orderId, sku, units]);
  if (until === 'reserved') return;
  const parcel = { orderId, customerId, sku, units };
  await shipping.dispatch.action(operation('shipping.dispatch.action', gid), parcel);
  await orders.complete.action(operation('orders.complete.action', gid), { orderId });
  await notifications.orderPlaced.action(operation('notifications.orderPlaced.action', gid), { orderId, customerId });
}

/** Undoes all that {@link advance} did before the pivot, newest first. */
export async function undo({ shop }: TestShop, order: Omit<PlaceOrder, 'sequence'>): Promise<void> {
  const { orders, payments, inventory } = shop.participants;
  const { orderId, customerId, sku, units, amount } = order;
  const gid = `order-${orderId}`;
  const reserved = [orderId, sku, units] as const;
  await inventory.reserve.compensation(operation('inventory.reserve.compensation', gid), [...reserved], undefined);
  await payments.charge.compensation(operation('payments.charge.compensation', gid), { orderId, customerId, amount });
  await orders.create.compensation(operation('orders.create.compensation', gid), order);
}

/** What recalling a placed order does, up to the answer of the carrier, and what follows that. */
export async function recall(
  { shop }: TestShop,
  { orderId, customerId, sku }: Omit<PlaceOrder, 'sequence'>,
  answer?: 'returned' | 'lost',
): Promise<void> {
  const { orders, payments, inventory, shipping, notifications } = shop.participants;
  const asked = { orderId, reason: 'scratched', actor: 'ann' };
  const of = (name: string) => operation(name, `${answer ?? 'recall'}-${orderId}`);
  if (answer === undefined) {
    await orders.recall.action(of('orders.recall.action'), { orderId });
    await shipping.recall.action(of('shipping.recall.action'), asked);
    await notifications.orderRecalled.action(of('notifications.orderRecalled.action'), { orderId, customerId });
  } else if (answer === 'returned') {
    await shipping.takeBack.action(of('shipping.takeBack.action'), { orderId });
    await payments.refund.action(of('payments.refund.action'), { orderId, customerId });
    await inventory.release.action(of('inventory.release.action'), [orderId, sku]);
    await orders.takeBack.action(of('orders.takeBack.action'), { orderId, customerId });
  } else {
    await shipping.lose.action(of('shipping.lose.action'), asked);
    await orders.lose.action(of('orders.lose.action'), { orderId });
  }
}

/** Asserts a rejection of a type; returns its message. */
export async function refused(call: Promise<unknown>, type: string): Promise<string> {
  let message = '';
  await assert.rejects(call, (error: Error & { type?: string }) => {
    assert.equal(error.type, type, `${error.name}: ${error.message}`);
    assert.doesNotMatch(error.message, /\n/);
    ({ message } = error);
    return true;
  });
  return message;
}
