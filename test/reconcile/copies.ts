import type { ServiceName } from '../../src/activities/index.js';
import type { Database } from '../../src/kit/database/index.js';

/**
 * Transactions in bulk: what the shop's own code has left of one is copied, row by row, under other ids. So each copy has the form of the
 * real one, whatever that is by then.
 */

type Databases = Readonly<Record<ServiceName, Database>>;

/** Runs a statement with the rules of the database (triggers, foreign keys) switched off: what a broken program, or a disk, does. */
export async function damage(databases: Databases, service: ServiceName, text: string): Promise<void> {
  await databases[service].transaction(async (sql) => {
    await sql('set local session_replication_role = replica');
    await sql(text);
  }, 600_000);
}

/** Where an order's rows are, by the column that has its id; of the guard it is a part of the gid. */
export const orderTables = {
  orders: ['orders', 'point_entries'],
  payments: ['payments', 'wallet_entries'],
  inventory: ['reservations', 'stock_entries'],
  shipping: ['shipments', 'recalls'],
  notifications: ['notifications'],
} as const satisfies Partial<Record<ServiceName, readonly string[]>>;
export type OrderService = keyof typeof orderTables;
export const orderServices = Object.keys(orderTables) as OrderService[];

/** Copies the rows of a table in which a text is, with that text replaced: for `$1` the names of copies. */
async function copyRows(
  databases: Databases,
  { service, table, where, text, to }: { service: ServiceName; table: string; where: string; text: string; to: string },
): Promise<void> {
  const [schema, name] = table.includes('.') ? table.split('.') : ['public', table];
  const columns = await databases[service].run<{ name: string }>(
    `select column_name as name from information_schema.columns
    where table_schema = $1 and table_name = $2 and is_generated = 'NEVER' and is_identity = 'NO' and column_name <> 'written'
    order by ordinal_position`,
    [schema, name],
  );
  const names = columns.map((column) => column.name).join(', ');
  await damage(
    databases,
    service,
    `insert into ${table} (${names}) select ${names.replaceAll(/\w+/g, 'made.$&')} from ${table} as template, ${to} as copies (id)
    cross join lateral jsonb_populate_record(null::${table}, replace(to_jsonb(template)::text, '${text}', copies.id)::jsonb) as made
    where ${where}`,
  );
}

/** The tables of something that is copied, by service; each with where its rows are: `:from` is the id of what is copied. */
type Tables<At extends ServiceName = ServiceName> = Partial<Record<At, Readonly<Record<string, string>>>>;

/** Makes what copies something; `to` is a set of ids, such as `(values ('x'))` or a query in brackets. */
const copying =
  <At extends ServiceName>(tables: Tables<At>) =>
  async (databases: Databases, from: string, to: string, at?: readonly At[]): Promise<void> => {
    for (const [service, own] of Object.entries(tables) as [At, Readonly<Record<string, string>>][]) {
      if (at !== undefined && !at.includes(service)) continue;
      for (const [table, where] of Object.entries(own)) {
        await copyRows(databases, { service, table, where: where.replaceAll(':from', from), text: from, to });
      }
    }
  };

const OF_ORDER = `template.order_id = ':from'`;
const GUARD = `template.gid = 'order-:from'`;

/** Copies of an order, with the guard's rows. */
export const copyOrders = copying(
  Object.fromEntries(
    orderServices.map((service) => [
      service,
      { ...Object.fromEntries(orderTables[service].map((table) => [table, OF_ORDER])), 'backstitch.guard': GUARD },
    ]),
  ) as Tables<OrderService>,
);

const OF_PURCHASE = `template.gid = 'purchase-:from'`;

/** Copies of a purchase: at its customer's bank, the merchant's and the warehouse. */
export const copyPurchases = copying({
  bank_a: { purchases: OF_PURCHASE, entries: OF_PURCHASE },
  bank_c: { entries: OF_PURCHASE },
  warehouse: { parcels: OF_PURCHASE, book_entries: `template.order_id = 'purchase-:from'` },
});
export type PurchaseService = 'bank_a' | 'bank_c' | 'warehouse';

const OF_CUSTOMER = `template.customer_id = ':from'`;
const SAGAS = { 'backstitch.guard': `${GUARD} or starts_with(template.gid, 'order-:from.')` };

/** Copies of an order that lives for weeks, with its customer, whose id is the order's. */
export const copyLifecycles = copying({
  orders: {
    ...{ customers: OF_CUSTOMER, orders: OF_ORDER, point_entries: OF_CUSTOMER, ...SAGAS },
    order_moves: `template.id = ':from'`,
  },
  payments: { wallets: OF_CUSTOMER, payments: OF_ORDER, wallet_entries: OF_CUSTOMER, ...SAGAS },
  inventory: { reservations: OF_ORDER, stock_entries: OF_ORDER, ...SAGAS },
  shipping: { shipments: OF_ORDER, recalls: OF_ORDER, ...SAGAS },
  notifications: { notifications: OF_ORDER, ...SAGAS },
  warehouse: { pick_jobs: OF_ORDER },
  coupons: { coupons: OF_CUSTOMER, coupon_moves: `template.code = 'welcome-:from'`, ...SAGAS },
});

const copyUnits = copying({ inventory: { 'backstitch.occupancy': `template.id = ':from'` } });
const copySaleOrders = copying({ orders: { sale_orders: OF_ORDER } });

/** Copies of a sale's purchase: of the units of one, and the order of another or the same. @param from such as `tpl-paid/unpaid` */
export async function copySales(databases: Databases, from: string, to: string): Promise<void> {
  const [units, order] = from.replace('tpl-', '').split('/');
  if (units !== 'none') await copyUnits(databases, `sold-${units}`, to);
  if (order !== 'none') await copySaleOrders(databases, `sold-${order}`, to);
}

/** All that the services have of an order, but for its times and numbers: two orders are alike if these are. */
export async function shapeOf(databases: Databases, orderId: string): Promise<unknown> {
  const shapes: Record<string, unknown> = {};
  for (const service of orderServices) {
    for (const table of [...orderTables[service], 'backstitch.guard']) {
      const where = table === 'backstitch.guard' ? `gid = 'order-${orderId}'` : `order_id = '${orderId}'`;
      const rows = await databases[service].run<{ row: Record<string, unknown> }>(
        `select to_jsonb(t) as row from ${table} as t where ${where}`,
      );
      shapes[`${service}.${table}`] = rows
        .map(({ row }) =>
          Object.entries(row)
            .filter(([name]) => !/(_at|entry_id|written|hash|driver|who|fate|seq)$/.test(name))
            .map(([name, value]) => `${name}=${JSON.stringify(value).replaceAll(orderId, '<id>')}`)
            .join(' '),
        )
        .toSorted();
    }
  }
  return shapes;
}

/** Sets each balance to what its entries come to. */
export async function balance(databases: Databases): Promise<void> {
  const ledger = async (service: ServiceName, accounts: string, entries: string, key: string, figures: string) => {
    await damage(
      databases,
      service,
      `update ${accounts} set ${figures} from (
        select ${key}, sum(amount) as amount, ${figures.includes('frozen') ? 'sum(frozen)' : '0'} as frozen_sum from ${entries} group by ${key}
      ) as sums where sums.${key} = ${accounts}.${key}`,
    );
  };
  await ledger('orders', 'customers', 'point_entries', 'customer_id', 'points = sums.amount');
  await ledger('payments', 'wallets', 'wallet_entries', 'customer_id', 'balance = sums.amount, frozen = frozen_sum');
  await ledger('inventory', 'stock', 'stock_entries', 'sku', 'available = sums.amount, frozen = frozen_sum');
  await ledger('warehouse', 'books', 'book_entries', 'book', 'copies = sums.amount');
  await damage(
    databases,
    'inventory',
    `update backstitch.occupancy_pools as p set free = p.units - p.returned - (
      select coalesce(sum(o.units), 0) from backstitch.occupancy as o where o.pool = p.pool and o.state <> 'released'
    ) where p.pool = 'launch'`,
  );
  for (const bank of ['bank_a', 'bank_b', 'bank_c'] as const) {
    await damage(
      databases,
      bank,
      `update accounts set balance = sums.amount from (select account, sum(amount) as amount from entries group by account) as sums
      where sums.account = accounts.account`,
    );
  }
}

/** Makes all that has happened old: none of it is young any more. */
export async function age(databases: Databases): Promise<void> {
  const day = `interval '1 day'`;
  await damage(
    databases,
    'warehouse',
    `update pick_jobs set received_at = received_at - ${day}, moved_at = moved_at - ${day}`,
  );
  for (const service of Object.keys(databases) as ServiceName[]) {
    await damage(
      databases,
      service,
      `update backstitch.guard set began_at = began_at - ${day}, ended_at = ended_at - ${day}, fate_at = fate_at - ${day}`,
    );
    const [inbox] = await databases[service].run(`select 1 where to_regclass('backstitch.inbox') is not null`);
    if (inbox !== undefined) {
      await damage(databases, service, `update backstitch.inbox set handled_at = handled_at - ${day}`);
    }
  }
}
