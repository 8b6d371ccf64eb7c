import pg from 'pg';
import {
  createShop,
  migrateShop,
  serviceNames,
  type ServiceName,
  type Shop,
  type ShopDatabases,
} from '../../src/activities/index.js';
import type { Books } from '../../src/contracts/shop.js';
import { pgDatabase } from '../../src/kit/database/index.js';
import { temporalAddress, testDatabase } from '../support/servers.js';

/** What an order of the matrix buys. */
const AMOUNT = 2_933;
const UNITS = 2;
const CUSTOMERS = Array.from({ length: 50 }, (_, index) => `c${index}`);

/** A shop for the matrix: its databases, what its workers are told, and what is left of an order. */
export interface MatrixShop {
  /** For the workers. */
  readonly env: Readonly<Record<string, string>>;
  readonly shop: Shop;
  readonly databases: ShopDatabases;
  readonly input: (gid: string) => unknown;
  readonly effects: (gid: string) => Promise<Record<string, number>>;
  readonly books: () => Promise<Books>;
  /** The transactions that are announced in any database. */
  readonly announced: () => Promise<string[]>;
  close(): Promise<void>;
}

export async function openMatrixShop(): Promise<MatrixShop> {
  const opened = await Promise.all(
    serviceNames.map(async (service) => {
      const database = await testDatabase(service);
      return { service, database, pool: new pg.Pool({ connectionString: database.url, max: 5 }) };
    }),
  );
  const databases = Object.fromEntries(opened.map(({ service, pool }) => [service, pgDatabase(pool)])) as Record<
    ServiceName,
    ShopDatabases[ServiceName]
  >;
  await migrateShop(databases);
  const shop = createShop({ databases });
  const { plain } = shop;
  // Enough for every case: an order is refused only by a fault.
  await plain['orders.openCustomers']({ customerIds: CUSTOMERS, points: 1_000_000 });
  await plain['payments.openWallets']({ customerIds: CUSTOMERS, cents: 100_000_000 });
  await plain['inventory.deliver']({ sku: 'cd', units: 1_000_000 });

  const one = async <Row extends object>(service: ServiceName, text: string, gid: string): Promise<Row> => {
    const [row] = await databases[service].run<Row>(text, [gid]);
    if (row === undefined) throw new Error(`no row: ${text}`);
    return row;
  };
  return {
    shop,
    databases,
    env: {
      TEMPORAL_ADDRESS: await temporalAddress(),
      BACKSTITCH_POOL_SIZE: '8',
      ...Object.fromEntries(
        opened.map(({ service, database }) => [`DATABASE_URL_${service.toUpperCase()}`, database.url]),
      ),
    },
    input: (gid) => ({
      ...{ orderId: gid, sku: 'cd', units: UNITS, amount: AMOUNT, sequence: 'pay-first' },
      customerId: CUSTOMERS[Number(gid.replace(/^.*-/, '')) % CUSTOMERS.length],
    }),
    async effects(gid) {
      type Order = { kept: number; placed: number; points: number };
      const [order, payment, stock, shipment, notification] = await Promise.all([
        one<Order>(
          'orders',
          `select count(*) filter (where status <> 'cancelled')::int as kept,
             count(*) filter (where status = 'placed')::int as placed,
             (select coalesce(-sum(amount), 0)::int from point_entries where order_id = $1) as points
           from orders where order_id = $1`,
          gid,
        ),
        one<{ net: number }>(
          'payments',
          `select coalesce(-sum(amount), 0)::float / ${AMOUNT} as net from wallet_entries where order_id = $1`,
          gid,
        ),
        one<{ net: number }>(
          'inventory',
          `select coalesce(-sum(amount), 0)::float / ${UNITS} as net from stock_entries where order_id = $1`,
          gid,
        ),
        one<{ count: number }>('shipping', `select count(*)::int from shipments where order_id = $1`, gid),
        one<{ count: number }>('notifications', `select count(*)::int from notifications where order_id = $1`, gid),
      ]);
      return {
        // The points have to agree with the order.
        'create-order': order.points === order.kept * Math.floor(AMOUNT / 100) ? order.kept : Number.NaN,
        pay: payment.net,
        'reserve-stock': stock.net,
        ship: shipment.count,
        'complete-order': order.placed,
        notify: notification.count,
      };
    },
    books: () => plain['books.prove'](),
    async announced() {
      const rows = await Promise.all(
        Object.values(databases).map((database) =>
          database.run<{ gid: string }>('select gid from backstitch.announcements'),
        ),
      );
      return rows.flat().map(({ gid }) => gid);
    },
    async close() {
      await Promise.all(opened.map(({ pool }) => pool.end()));
      for (const { database } of opened) await database.drop();
    },
  };
}
