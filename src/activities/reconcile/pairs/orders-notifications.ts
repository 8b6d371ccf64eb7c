import type { Database, Pair } from '../../../kit/database/index.js';
import type { Notifications } from '../../notifications/index.js';
import { REFUNDED_AFTER_LEAVING } from '../moves.js';
import { orderPair, SINCE, type OrderDatabases } from '../orders.js';

interface ToldRow {
  readonly order_id: string;
  readonly customer_id: string;
  readonly kind: 'order-placed' | 'order-received' | 'order-undone' | 'order-recalled';
}

/** Who has ordered was told that it is on its way, and what was announced and came to nothing was corrected. */
export function ordersNotifications(
  databases: OrderDatabases & { readonly notifications: Database },
  notifications: Notifications,
): Pair {
  const about = (data: unknown, orderId: string) => ({ orderId, customerId: data as string });
  return orderPair<ToldRow>(databases, {
    name: 'orders-notifications',
    what: 'the customer of each order that was placed was told so, and what was announced in vain was corrected',
    classes: {
      'placed-but-not-told': {
        what: 'the order was placed, and its customer was not told',
        repair: {
          what: 'tells the customer',
          run: ({ key, data }, operation) => notifications.orderPlaced.action(operation, about(data, key)),
        },
      },
      'told-but-not-placed': { what: 'a customer was told of an order that was not placed, or is not there' },
      'announced-but-not-corrected': {
        what: 'a customer was told that an order came in, it is cancelled, and nobody has said so',
        repair: {
          what: 'tells the customer that it is cancelled',
          run: ({ key, data }, operation) => notifications.correct.action(operation, about(data, key)),
        },
      },
      'told-another-customer': { what: 'another customer than that of the order was told of it' },
    },
    sides: [
      `select order_id as key, customer_id as value from orders
      where (status in ('placed', 'returned', 'lost', 'DELIVERED', 'COMPLETED') or ${REFUNDED_AFTER_LEAVING})
        and created_at >= ${SINCE}`,
      `select order_id as key, coalesce(min(customer_id) filter (where kind = 'order-placed'), 'announced to ' || min(customer_id)) as value
      from notifications where kind <> 'order-recalled' group by order_id
      having max(sent_at) >= ${SINCE} and (bool_or(kind = 'order-placed') or not bool_or(kind = 'order-undone'))`,
    ],
    database: databases.notifications,
    rows: 'select order_id, customer_id, kind from notifications where order_id = any ($1)',
    judge(orderId, { order, rows, hasLeft }) {
      const told = rows.find(({ kind }) => kind === 'order-placed');
      const announced = rows.find(({ kind }) => kind === 'order-received');
      const corrected = rows.some(({ kind }) => kind === 'order-undone');
      if (order === undefined || order.status === 'created' || order.status === 'cancelled') {
        const status = order?.status ?? 'not there';
        if (told !== undefined)
          return {
            class: 'told-but-not-placed',
            detail: `customer ${told.customer_id} was told, the order is ${status}`,
          };
        if (announced === undefined || corrected) return undefined;
        const detail = `customer ${announced.customer_id} was told that it came in, the order is ${status}`;
        const unsafe = order === undefined ? { unsafe: 'what became of the order is not known' } : {};
        return { class: 'announced-but-not-corrected', detail, data: announced.customer_id, ...unsafe };
      }
      const data = order.customer_id;
      // It may have been refunded before its parcel left.
      if (told === undefined && order.lifecycle && !hasLeft) return undefined;
      if (told === undefined) {
        // It says that the order is on its way.
        const late = order.status === 'placed' ? {} : { unsafe: 'its parcel came back, or is lost' };
        return { class: 'placed-but-not-told', detail: `customer ${data} was not told`, data, ...late };
      }
      const other = [told, announced].find((each) => each !== undefined && each.customer_id !== data);
      if (other === undefined) return undefined;
      return {
        class: 'told-another-customer',
        detail: `customer ${other.customer_id} was told, the order is of ${data}`,
      };
    },
  });
}
