import type { Pair } from '../../../kit/database/index.js';
import { REFUNDED_AFTER_LEAVING } from '../moves.js';
import { orderPair, SINCE, type OrderDatabases } from '../orders.js';

interface ShipmentRow {
  readonly order_id: string;
  readonly customer_id: string;
  readonly sku: string;
  readonly units: number;
}

/** A parcel has left for each order that was placed, whatever became of it since, and for no other. */
export function ordersShipments(databases: OrderDatabases): Pair {
  const pair = orderPair<ShipmentRow>(databases, {
    name: 'orders-shipments',
    what: 'a parcel has left for each order that was placed, and for no other',
    classes: {
      'placed-but-not-shipped': { what: 'the order was placed, and no parcel of it has left' },
      'shipped-but-cancelled': { what: 'the order is cancelled, and its parcel has left' },
      'shipped-without-order': { what: 'a parcel has left, and there is no order of its id' },
      'shipped-but-open': { what: 'the order is created and its parcel has left, and no transaction takes care of it' },
      'shipment-differs': { what: 'the parcel is not what was ordered, or for another customer' },
      'shipped-twice': { what: 'two parcels of an order have left' },
    },
    sides: [
      `select order_id as key, customer_id || ' ' || units || ' ' || sku as value from orders
      where (status in ('placed', 'returned', 'lost', 'DELIVERED', 'COMPLETED') or ${REFUNDED_AFTER_LEAVING})
        and created_at >= ${SINCE}`,
      `select order_id as key, customer_id || ' ' || units || ' ' || sku as value from shipments
      where dispatched_at >= ${SINCE}`,
    ],
    database: databases.shipping,
    rows: 'select order_id, customer_id, sku, units from shipments where order_id = any ($1)',
    judge(orderId, { order, rows }) {
      const [parcel, second] = rows;
      if (second !== undefined) return { class: 'shipped-twice', detail: `${rows.length} parcels have left` };
      const words = parcel && wordsOf(parcel);
      if (order === undefined || order.status === 'created' || order.status === 'cancelled') {
        if (words === undefined) return undefined;
        const detail = `${words} have left, and the order is ${order?.status ?? 'not there'}`;
        if (order === undefined) return { class: 'shipped-without-order', detail };
        return { class: order.status === 'created' ? 'shipped-but-open' : 'shipped-but-cancelled', detail };
      }
      const due = wordsOf(order);
      if (words === due) return undefined;
      const detail = `${due} are due, there is ${words ?? 'no parcel'}`;
      const isRefunded = order.lifecycle && order.status === 'returned';
      return {
        ...{ class: words === undefined ? 'placed-but-not-shipped' : 'shipment-differs', detail },
        ...(isRefunded && words === undefined && { data: MAY_BE_NONE }),
      };
    },
  });
  return {
    ...pair,
    async judge(keys, look) {
      const drifts = await pair.judge(keys, look);
      const doubtful = drifts.filter(({ data }) => data === MAY_BE_NONE).map(({ key }) => key);
      if (doubtful.length === 0) return drifts;
      const found = await databases.orders.run<{ order_id: string }>(LEFT_BY_MOVES, [doubtful]);
      const left = new Set(found.map(({ order_id }) => order_id));
      return drifts.filter(({ key, data }) => data !== MAY_BE_NONE || left.has(key));
    },
  };
}

/** Refunded before its parcel was to leave it has none. */
const MAY_BE_NONE = 'may be none';
const LEFT_BY_MOVES = `select order_id from orders where order_id = any ($1) and ${REFUNDED_AFTER_LEAVING}`;

function wordsOf({ units, sku, customer_id }: ShipmentRow): string {
  return `${units} ${sku} for customer ${customer_id}`;
}
