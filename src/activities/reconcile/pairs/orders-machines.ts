import { orderGid } from '../../../contracts/place-order.js';
import { orderLifecycleMachine } from '../../../contracts/order-lifecycle.js';
import type { Database, Drift, Pair } from '../../../kit/database/index.js';
import { gidsOfOrder } from '../orders.js';

/** The states of what lives, as the column has them. */
const LIVING = ['WAIT_PAY', 'PAID', 'WAIT_DELIVER', 'DELIVERED', 'REFUNDING'] as const;
/** Of rows of orders that live: whenever they were made, as what lives is not older than what became of it. */
export const LIVES = `status in (${LIVING.map((state) => `'${state}'`).join(', ')})`;

/** How a machine ended: in a final state; or it had not begun, and nothing of it was to be there. */
const ENDED: readonly string[] = [...orderLifecycleMachine.final, 'committed', 'failed'];

/** An order that lives has a machine that moves it: without one it waits for ever, and keeps what it has taken. */
export function ordersMachines({ orders }: { readonly orders: Database }): Pair {
  return {
    name: 'orders-machines',
    what: 'an order with a lifecycle that has not ended has a state machine that has not ended either',
    by: 'buckets',
    classes: {
      'open-without-machine': { what: 'the order has not ended, and the server knows no machine of it' },
      'ended-but-open': { what: 'the machine of an order has ended, and the order has not' },
    },
    // The server is asked of each by its id: its list is behind, and tells nothing of a machine that it does not know.
    sides: [
      { parts: [{ database: orders, rows: `select order_id as key, status as value from orders where ${LIVES}` }] },
      'none',
    ],
    gidsOf: gidsOfOrder,
    async judge(keys, { statesOf }) {
      // In this sequence: a machine begins before its order is opened, and ends after that has.
      const states = await statesOf(keys.map(orderGid));
      const rows = await orders.run<{ order_id: string; state: string }>(
        `select order_id, concat_ws('.', status, sub_state) as state from orders where order_id = any ($1) and ${LIVES}`,
        [keys],
      );
      return rows.flatMap(({ order_id: key, state }): Drift[] => {
        const machine = states.get(orderGid(key));
        const detail = `the order is ${state}, its machine ${machine ?? 'not known'}`;
        if (machine === undefined) return [{ class: 'open-without-machine', key, detail }];
        return ENDED.includes(machine) ? [{ class: 'ended-but-open', key, detail }] : [];
      });
    },
  };
}
