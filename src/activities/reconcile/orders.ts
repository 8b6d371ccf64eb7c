import type { OrderStatus } from '../../contracts/shop.js';
import { orderGid } from '../../contracts/place-order.js';
import { lostGid, recallGid, returnedGid } from '../../contracts/recall-order.js';
import type { Database, Drift, DriftClass, Pair, Side, State } from '../../kit/database/index.js';
import { refundedByHand } from './moves.js';

/** What the pairs of orders and their parts have in common: a part is what one service has of an order. */

/** An order, as its service has it. */
export interface OrderOf {
  readonly order_id: string;
  readonly customer_id: string;
  readonly sku: string;
  readonly units: number;
  readonly amount: number;
  /** What is to be paid: the amount, less a coupon. */
  readonly price: number;
  readonly points_spent: number;
  /** Of an order with a lifecycle: what the others say of such an end. */
  readonly status: OrderStatus;
  /** A state machine has moved it, and has ended. */
  readonly lifecycle: boolean;
  readonly recalled: boolean;
  readonly choreographed: boolean;
}

/** What there is of an order when it is judged. */
export interface Judged<Row> {
  readonly order: OrderOf | undefined;
  readonly rows: readonly Row[];
  /** Its parcel has left: nothing of it is given back by a program. */
  readonly hasLeft: boolean;
  /** How the state table stands that it was asked for by, if it was. */
  readonly asked: State | undefined;
}

/** The databases that have to do with orders. */
export type OrderDatabases = Readonly<Record<'orders' | 'shipping' | 'callers', Database>>;

/** What a pair of orders and a part is made of. */
export interface OrderPart<Row> {
  readonly name: string;
  readonly what: string;
  readonly classes: Readonly<Record<string, DriftClass>>;
  /** Of orders that stand, and of the part. */
  readonly sides: readonly [orders: string, part: string];
  readonly database: Database;
  /** The part's rows of orders, `$1`; each with its `order_id`. */
  readonly rows: string;
  readonly judge: (orderId: string, found: Judged<Row>) => Omit<Drift, 'key'> | undefined;
}

const ORDERS = `
select order_id, customer_id, sku, units, amount, amount - discount as price, points_spent,
  case status when 'COMPLETED' then 'placed' when 'CANCELLED' then 'cancelled' when 'REFUNDED' then 'returned' else status end as status,
  status = upper(status) as lifecycle, recalled_at is not null as recalled, choreographed
from orders where order_id = any ($1)`;
const LEFT = 'select order_id from shipments where order_id = any ($1)';
const ASKED = 'select gid, state from backstitch.state_table where gid = any ($1)';

/** Since when rows are wanted, within a side. */
export const SINCE = '(select at from since)';

/** Makes a pair of orders and what another service has of them. */
export function orderPair<Row extends { readonly order_id: string }>(
  { orders, shipping, callers }: OrderDatabases,
  { name, what, classes, sides: [ours, theirs], database, rows, judge }: OrderPart<Row>,
): Pair {
  const side = (of: Database, text: string): Side => ({ parts: [{ database: of, rows: text }] });
  return {
    ...{ name, what, classes, by: 'ranges' },
    sides: [side(orders, ours), side(database, theirs)],
    gidsOf: gidsOfOrder,
    settled: (orderId) => refundedByHand(orders, orderId),
    async judge(keys) {
      const [found, parts, left, asked] = await Promise.all([
        orders.run<OrderOf>(ORDERS, [keys]),
        database.run<Row>(rows, [keys]),
        shipping.run<{ order_id: string }>(LEFT, [keys]),
        callers.run<{ gid: string; state: State }>(ASKED, [keys.map(orderGid)]),
      ]);
      const byId = new Map(found.map((order) => [order.order_id, order]));
      const gone = new Set(left.map(({ order_id }) => order_id));
      const states = new Map(asked.map(({ gid, state }) => [gid, state]));
      return keys.flatMap((key) => {
        const own = parts.filter(({ order_id }) => order_id === key);
        const order = byId.get(key);
        // What it is to have by then is another thing in each of its states: the pair `live-orders` judges it.
        if (order?.lifecycle && order.status === order.status.toUpperCase()) return [];
        const about = { order, rows: own, hasLeft: gone.has(key), asked: states.get(orderGid(key)) };
        const drift = judge(key, about);
        return drift === undefined ? [] : [{ ...drift, key }];
      });
    },
  };
}

/** All transactions that an order may have. */
export function gidsOfOrder(orderId: string): string[] {
  return [orderGid(orderId), recallGid(orderId), returnedGid(orderId), lostGid(orderId)];
}

/** What keeps a program from giving something back. */
export function unlessLeft(hasLeft: boolean): { readonly unsafe?: string } {
  return hasLeft ? { unsafe: 'its parcel has left' } : {};
}
