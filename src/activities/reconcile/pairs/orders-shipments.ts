import type { Pair } from '../../../kit/database/index.js';
import { orderPair, SINCE, type OrderDatabases } from '../orders.js';

interface ShipmentRow {
  readonly order_id: string;
  readonly customer_id: string;
  readonly sku: string;
  readonly units: number;
}

/** A parcel has left for each order that was placed, whatever became of it since, and for no other. */
export function ordersShipments(databases: OrderDatabases): Pair {
  return orderPair<ShipmentRow>(databases, {
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
      where status in ('placed', 'returned', 'lost', 'DELIVERED', 'COMPLETED') and created_at >= ${SINCE}`,
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
      // It may have been refunded before its parcel left.
      if (order.lifecycle && order.status === 'returned' && words === undefined) return undefined;
      const due = wordsOf(order);
      if (words === due) return undefined;
      const detail = `${due} are due, there is ${words ?? 'no parcel'}`;
      return { class: words === undefined ? 'placed-but-not-shipped' : 'shipment-differs', detail };
    },
  });
}

function wordsOf({ units, sku, customer_id }: ShipmentRow): string {
  return `${units} ${sku} for customer ${customer_id}`;
}
