import { pointsFor } from '../../../contracts/money.js';
import { readBoth, type Database, type Guard, type Pair, type Side } from '../../../kit/database/index.js';
import { AWARD_POINTS, RETURN_POINTS } from '../../orders/sql.js';
import { refundedByHand } from '../moves.js';
import { gidsOfOrder, SINCE } from '../orders.js';

interface OrderRow {
  readonly order_id: string;
  readonly customer_id: string;
  readonly amount: number;
}

/** What an order is due in points, both in one: `spent earned`; as `pointsFor` draws them. */
const DUE = `
select order_id, customer_id,
  case when status in ('cancelled', 'returned', 'CANCELLED', 'REFUNDED') then 0 else -points_spent end || ' ' ||
  case when choreographed and status in ('placed', 'returned', 'lost') or status = 'COMPLETED' then (amount - discount) / 100 else 0 end as due,
  amount - discount as amount, created_at
from orders`;

/**
 * An order has taken the points that it says, and given them back if it came to nothing; and where it is choreographed it has brought its
 * customer points.
 */
export function ordersPoints({ orders }: { readonly orders: Database }, guard: Guard): Pair {
  const side = (rows: string): Side => ({ parts: [{ database: orders, rows }] });
  const sides = [
    side(`select order_id as key, due as value from (${DUE}) as due where due <> '0 0' and created_at >= ${SINCE}`),
    side(
      `select order_id as key, coalesce(sum(amount) filter (where kind <> 'earned'), 0) || ' ' ||
        coalesce(sum(amount) filter (where kind = 'earned'), 0) as value
      from point_entries where order_id is not null group by order_id
      having max(entered_at) >= ${SINCE} and (
        coalesce(sum(amount) filter (where kind <> 'earned'), 0) <> 0 or coalesce(sum(amount) filter (where kind = 'earned'), 0) <> 0)`,
    ),
  ] as const;
  return {
    name: 'orders-points',
    what: 'an order has taken and brought the points that it should',
    by: 'ranges',
    classes: {
      'points-not-returned': {
        what: 'the order came to nothing, and its points were not given back',
        repair: {
          what: 'gives the points back',
          run: ({ key, data }, operation) =>
            guard.apply(operation, { orderId: key }, async (sql) => {
              const [returned] = await sql(RETURN_POINTS, [key, data]);
              // Nothing is noted as done that was not.
              if (returned === undefined) throw new Error('the order has spent no points, or stands');
            }),
        },
      },
      'points-not-earned': {
        what: 'a choreographed order was placed, or one with a lifecycle completed, and its customer has no points of it',
        repair: {
          what: 'gives the points',
          run: ({ key, data }, operation) => {
            const { customerId, points } = data as { customerId: string; points: number };
            return guard.apply(operation, { orderId: key, points }, (sql) =>
              sql(AWARD_POINTS, [key, customerId, points]),
            );
          },
        },
      },
      'points-without-order': { what: 'points have moved for an order that is not there' },
      'points-differ': { what: 'an order has taken or brought other points than it should' },
    },
    sides,
    gidsOf: gidsOfOrder,
    settled: (orderId) => refundedByHand(orders, orderId),
    async judge(keys) {
      const [both, found] = await Promise.all([
        readBoth([side(`select order_id as key, due as value from (${DUE}) as due`), sides[1]], keys),
        orders.run<OrderRow>(`select order_id, customer_id, amount from (${DUE}) as due where order_id = any ($1)`, [
          keys,
        ]),
      ]);
      const byId = new Map(found.map((order) => [order.order_id, order]));
      return [...both].flatMap(
        ([
          key,
          {
            one: [due = '0 0'],
            other: [moved = '0 0'],
          },
        ]) => {
          if (due === moved) return [];
          const order = byId.get(key);
          const detail = `due: ${due} points spent and earned; entries: ${moved}`;
          if (order === undefined) return [{ class: 'points-without-order', key, detail }];
          const [spent, earned] = due.split(' ');
          const [hasSpent, hasEarned] = moved.split(' ');
          if (spent === '0' && hasSpent !== '0' && earned === hasEarned) {
            return [{ class: 'points-not-returned', key, detail, data: order.customer_id }];
          }
          if (spent === hasSpent && hasEarned === '0') {
            const data = { customerId: order.customer_id, points: pointsFor(order.amount) };
            return [{ class: 'points-not-earned', key, detail, data }];
          }
          return [{ class: 'points-differ', key, detail }];
        },
      );
    },
  };
}
