import pg from 'pg';
import { readOrders } from '../../../src/client/orders-file.js';
import { openShop } from '../../../src/client/shop.js';
import { orderGid, type PlaceOrder } from '../../../src/contracts/place-order.js';
import { lanes, planCalls } from '../faults.js';
import type { Business, Wanted } from './business.js';

/** What the customers begin with: some cannot pay, and the stock runs short near the end. */
const OPENING = { walletCents: 20_000, points: 1_000, sku: 'cd', stockShare: 0.65 };

/** What an order's status means for its transaction. */
const MEANINGS: Readonly<Record<string, string>> = { placed: 'done', cancelled: 'undone' };

/** Orders of the shop, of examples/orders.csv. */
export const orders: Business = {
  first: [{ branch: 'create-order', services: ['orders'] }],
  mix: ['placeOrder'],

  async wanted(seed, count, lane) {
    const list = await readOrders('examples/orders.csv', { limit: count });
    const plans = planCalls(
      seed,
      list.map(() => lanes),
      lane,
    );
    return list.flatMap((input, index): Wanted[] => {
      const plan = plans[index];
      return plan === undefined ? [] : [{ gid: orderGid(input.orderId), transaction: 'placeOrder', input, plan }];
    });
  },

  async open({ client, temporal }, wanted) {
    const list = wanted.map(({ input }) => input as PlaceOrder);
    const customers = [...new Set(list.map(({ customerId }) => customerId))];
    const units = Math.floor(list.reduce((sum, order) => sum + order.units, 0) * OPENING.stockShare);
    await openShop(client, temporal, { ...OPENING, customers, units });
  },

  async rows({ databaseUrl }) {
    const database = new pg.Client({ connectionString: databaseUrl('orders'), connectionTimeoutMillis: 10_000 });
    await database.connect();
    try {
      type Row = { order_id: string; status: string };
      const { rows } = await database.query<Row>('select order_id, status from orders');
      return new Map(rows.map(({ order_id, status }) => [orderGid(order_id), MEANINGS[status] ?? status]));
    } finally {
      await database.end();
    }
  },

  always: () => Promise.resolve([]),

  leftovers: () => Promise.resolve([]),
};
