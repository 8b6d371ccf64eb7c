import type { Pair } from '../../../kit/database/index.js';
import { orderPair, SINCE, type OrderDatabases } from '../orders.js';

interface RecallRow {
  readonly order_id: string;
  readonly status: 'requested' | 'returned' | 'lost';
}

/** What the carrier says of a recalled parcel is what became of its order. */
export function ordersRecalls(databases: OrderDatabases): Pair {
  return orderPair<RecallRow>(databases, {
    name: 'orders-recalls',
    what: 'what the carrier says of a recalled parcel is what became of its order',
    classes: {
      'recalled-but-not-asked': {
        what: 'the order is marked as recalled, and the carrier was not asked for its parcel',
      },
      'asked-but-not-recalled': { what: 'the carrier was asked for the parcel of an order that is not recalled' },
      'recall-differs': { what: 'the carrier has said something else of the parcel than became of the order' },
    },
    sides: [
      `select order_id as key, case status when 'placed' then 'requested' else status end as value from orders
      where recalled_at is not null and recalled_at >= ${SINCE}`,
      `select order_id as key, status as value from recalls where requested_at >= ${SINCE}`,
    ],
    database: databases.shipping,
    rows: 'select order_id, status from recalls where order_id = any ($1)',
    judge(orderId, { order, rows: [recall] }) {
      const due = order?.recalled === true ? (order.status === 'placed' ? 'requested' : order.status) : undefined;
      // What a lifecycle asks of the carrier its states tell, and not this mark.
      if (due === recall?.status || order?.lifecycle) return undefined;
      const detail = `by its order the recall is ${due ?? 'none'}, by the carrier ${recall?.status ?? 'none'}`;
      if (recall === undefined) return { class: 'recalled-but-not-asked', detail };
      return { class: due === undefined ? 'asked-but-not-recalled' : 'recall-differs', detail };
    },
  });
}
