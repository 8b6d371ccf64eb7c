import { orderGid } from '../../../contracts/place-order.js';
import type { Database, Pair } from '../../../kit/database/index.js';
import { gidsOfOrder, SINCE } from '../orders.js';

/** The workflows that end with a placed order, or none. One that only opens a choreographed order says nothing of its end. */
const WORKFLOWS = ['placeOrder', 'placeOrderTcc'];

const PREFIX = orderGid('');

/** Placed by a workflow, as far as the guard knows: a process or a group that drove it has left its fate beside its first step. */
const STANDING = `
select order_id as key, '' as value from orders
where status in ('placed', 'returned', 'lost') and not choreographed and ended_at >= ${SINCE} and not exists (
  select from backstitch.guard where gid = '${PREFIX}' || order_id and phase = 1 and fate is not null
)`;

const STATUS = 'select order_id, status from orders where order_id = any ($1)';
const STANDING_NOW = `
with since as (select '-infinity'::timestamptz as at) select key from (${STANDING}) as standing where key = any ($1)`;

/** An order stands if its workflow has committed, and only then. */
export function ordersExecutions({ orders }: { readonly orders: Database }): Pair {
  return {
    name: 'orders-executions',
    what: "an order stands if its workflow has committed, and only then, as far back as Temporal's executions are kept",
    by: 'buckets',
    classes: {
      'placed-without-workflow': { what: 'the order stands, and no workflow of its id is known' },
      'committed-without-order': { what: 'the workflow has committed, and there is no order of its id' },
      'committed-but-not-placed': { what: 'the workflow has committed, and the order is created or cancelled' },
      'compensated-but-placed': { what: 'the workflow has undone the order, and it stands' },
    },
    sides: [
      { parts: [{ database: orders, rows: STANDING }] },
      {
        executions: {
          workflows: WORKFLOWS,
          state: 'committed',
          rowOf: (gid) => (gid.startsWith(PREFIX) ? { key: gid.slice(PREFIX.length), value: '' } : undefined),
        },
      },
    ],
    gidsOf: gidsOfOrder,
    async judge(keys, { statesOf }) {
      const [found, standing, states] = await Promise.all([
        orders.run<{ order_id: string; status: string }>(STATUS, [keys]),
        orders.run<{ key: string }>(STANDING_NOW, [keys]),
        statesOf(keys.map(orderGid)),
      ]);
      const statuses = new Map(found.map(({ order_id, status }) => [order_id, status]));
      const stands = new Set(standing.map(({ key }) => key));
      return keys.flatMap((key) => {
        const [status, state] = [statuses.get(key), states.get(orderGid(key))];
        const detail = `the order is ${status ?? 'not there'}, its workflow ${state ?? 'not known'}`;
        if (state === 'committed') {
          if (status === undefined) return [{ class: 'committed-without-order', key, detail }];
          const isPlaced = status !== 'created' && status !== 'cancelled';
          return isPlaced ? [] : [{ class: 'committed-but-not-placed', key, detail }];
        }
        if (!stands.has(key)) return [];
        if (state === undefined) return [{ class: 'placed-without-workflow', key, detail }];
        return state === 'compensated' ? [{ class: 'compensated-but-placed', key, detail }] : [];
      });
    },
  };
}
