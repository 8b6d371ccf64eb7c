import type { JobState, OrderMoved } from '../../../contracts/lifecycle.js';
import { orderGid } from '../../../contracts/place-order.js';
import type { Database, Drift, Guard, Operation, Pair } from '../../../kit/database/index.js';
import { outboxes } from '../../choreography/outboxes.js';
import { gidsOfOrder, SINCE } from '../orders.js';

/**
 * Orders that live for weeks and the warehouse's jobs: each follows the other by messages, so a message that was lost shows as a job that
 * is not where its order is.
 */

interface OrderRow {
  readonly order_id: string;
  readonly sku: string;
  readonly units: number;
  readonly state: string;
  /** How far its job has to be; null: it is to have none. */
  readonly due: JobState | null;
}

interface JobRow {
  readonly order_id: string;
  readonly sku: string;
  readonly units: number;
  readonly state: JobState;
  /** It has moved a moment ago: its order's machine has been told, and may not have heard yet. */
  readonly isYoung: boolean;
}

type Of = Readonly<Record<'orders' | 'warehouse', Database>>;

/** How far on a job is; what is stopped before it has left stays so. */
const RANKS: readonly JobState[] = ['WAIT_PICK', 'PICKING', 'WAIT_PACK', 'PACKING', 'PACKED', 'STOPPED', 'SHIPPED'];

const cameTo = (state: string) =>
  `exists (select from order_moves where id = orders.order_id and to_state = '${state}')`;
/** What is paid has a job, and what has left had it shipped; what was given up before has it stopped. */
const DUE = `
select order_id, sku, units, concat_ws('.', status, sub_state) as state, created_at, case
  when status <> upper(status) or status = 'WAIT_PAY' then null
  when status = 'PAID' then coalesce(sub_state, 'WAIT_PICK')
  when status = 'WAIT_DELIVER' then 'PACKED'
  when status in ('DELIVERED', 'COMPLETED') or ${cameTo('DELIVERED')} then 'SHIPPED'
  when ${cameTo('PAID')} then 'STOPPED'
end as due
from orders`;

const ORDERS = `select order_id, sku, units, state, due from (${DUE}) as due where order_id = any ($1)`;
const JOBS = `
select order_id, sku, units, state, moved_at > clock_timestamp() - interval '5 minutes' as "isYoung"
from pick_jobs where order_id = any ($1)`;

/** The warehouse has a job for each order that was paid, and it is where its order is. */
export function ordersJobs({ orders, warehouse }: Of, guard: Guard): Pair {
  const tell = ({ data }: Drift, operation: Operation) => {
    const moved = data as OrderMoved;
    const { orderId, job } = moved;
    const topic = job === 'WAIT_PICK' ? 'order.paid' : 'order.moved';
    const id = `${orderGid(orderId)}/${topic}/reconcile-${job}`;
    return guard.apply(operation, moved, (sql) =>
      outboxes.orders.addAll(sql, [{ id, topic, key: orderId, payload: moved }]),
    );
  };
  const repair = { what: 'tells the warehouse again', sends: true, run: tell } as const;
  return {
    name: 'orders-jobs',
    what: 'the warehouse has a job for each order with a lifecycle that was paid, and it is where its order is',
    by: 'ranges',
    classes: {
      'paid-but-no-job': { what: 'the order was paid, and the warehouse has no job of it', repair },
      'job-behind': { what: 'the order has moved on, and its job has not followed', repair },
      'picked-but-cancelled': { what: 'the order came to nothing, and its job was not stopped', repair },
      'job-ahead': { what: 'the warehouse has gone on with a job, and its order has not followed' },
      'job-for-nobody': { what: 'the warehouse has a job of an order that is not there, or was not paid' },
      'job-differs': { what: 'the job is of other units than the order' },
    },
    sides: [
      {
        parts: [
          {
            database: orders,
            rows: `select order_id as key, due || ' ' || units || ' ' || sku as value from (${DUE}) as due
            where due is not null and created_at >= ${SINCE}`,
          },
        ],
      },
      {
        parts: [
          {
            database: warehouse,
            rows: `select order_id as key, state || ' ' || units || ' ' || sku as value from pick_jobs where received_at >= ${SINCE}`,
          },
        ],
      },
    ],
    // The last is what its messages begin with that the warehouse tells.
    gidsOf: (orderId) => [...gidsOfOrder(orderId), `job-${orderId}`],
    async judge(keys) {
      const [found, jobs] = await Promise.all([
        orders.run<OrderRow>(ORDERS, [keys]),
        warehouse.run<JobRow>(JOBS, [keys]),
      ]);
      const byId = new Map(found.map((order) => [order.order_id, order]));
      const byOrder = new Map(jobs.map((job) => [job.order_id, job]));
      return keys.flatMap((key) => judge(key, byId.get(key), byOrder.get(key)) ?? []);
    },
  };
}

function judge(key: string, order: OrderRow | undefined, job: JobRow | undefined): Drift | undefined {
  const detail = `order: ${order?.state ?? 'none'}; job: ${job ? `${job.units} ${job.sku}, ${job.state}` : 'none'}`;
  if (order?.due == null) return job && { class: 'job-for-nobody', key, detail };
  const { sku, units, due } = order;
  const found = { key, detail, data: { orderId: key, sku, units, job: due } satisfies OrderMoved };
  if (job === undefined) return { class: 'paid-but-no-job', ...found };
  if (job.sku !== sku || job.units !== units) return { class: 'job-differs', key, detail };
  const [is, wanted] = [RANKS.indexOf(job.state), RANKS.indexOf(due)];
  if (is === wanted) return undefined;
  if (is > wanted) return job.isYoung ? undefined : { class: 'job-ahead', key, detail };
  return { class: due === 'STOPPED' ? 'picked-but-cancelled' : 'job-behind', ...found };
}
