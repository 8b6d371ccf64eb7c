import {
  orderMovedSchema,
  workAtWarehouseSchema,
  type JobState,
  type JobTold,
  type WarehouseStep,
  type WorkAtWarehouse,
} from '../../contracts/lifecycle.js';
import {
  createInbox,
  createOutbox,
  inboxSink,
  Rejection,
  type Database,
  type Message,
  type Sink,
  type Sql,
} from '../../kit/database/index.js';
import { validInput } from '../input.js';
import { JOB, MOVE_JOB, MOVE_JOB_ON, TAKE_JOB } from './sql.js';

/**
 * The warehouse's jobs: what is to be picked and packed for the shop's orders.
 *
 * States of a job: WAIT_PICK → PICKING → WAIT_PACK → PACKING → PACKED → SHIPPED; until it has left → STOPPED. Somebody of the warehouse does a
 * step here, and the order hears of it by a message; or the order was moved, and the job follows by a message. A job only goes on, so both
 * end in the same state, whichever was first.
 *
 * Invariant: an order has one job, however often the warehouse is told of it; what is done is told in the transaction in which it is done.
 */

/** What the warehouse tells, each in the order of its job. */
export const warehouseOutbox = createOutbox({ name: 'warehouse', subscribers: { orders: '*' } });

/** What is told of: a step of the job of an order. */
async function tell(sql: Sql, orderId: string, step: WarehouseStep, id = `job-${orderId}/${step}`): Promise<void> {
  const payload: JobTold = { orderId, step };
  await warehouseOutbox.add(sql, { id, topic: `job.${step}`, key: orderId, payload });
}

/** Where the orders' messages go. */
export function jobsSink(database: Database): Sink {
  const inbox = createInbox({ database, consumer: 'jobs' });
  const wanted = async (sql: Sql, { id, payload }: Message) => {
    const { orderId, sku, units } = validInput(orderMovedSchema, payload);
    const [job] = await sql<{ state: JobState }>(TAKE_JOB, [orderId, sku, units]);
    // Told again it has lost the answer; and what was done since, as the order could not take that before.
    for (const step of stepsTo(job?.state)) await tell(sql, orderId, step, `${id}/${step}`);
  };
  const moved = async (sql: Sql, { payload }: Message) => {
    const { orderId, sku, units, job } = validInput(orderMovedSchema, payload);
    await sql(TAKE_JOB, [orderId, sku, units]);
    await sql(MOVE_JOB_ON, [orderId, job]);
  };
  return inboxSink({ inbox, handlers: { 'order.paid': wanted, 'order.moved': moved } });
}

/** The steps that were done of a job that is in a state; of one that has left, or was stopped, its order knows as much. */
function stepsTo(state: JobState | undefined): WarehouseStep[] {
  const done: WarehouseStep[] = ['received'];
  if (state === 'WAIT_PICK') return done;
  for (const [step, [, to]] of Object.entries(steps)) {
    done.push(step as WarehouseStep);
    if (to === state) return done;
  }
  return [];
}

/** What each step makes of a job. */
const steps = {
  pick: ['WAIT_PICK', 'PICKING'],
  picked: ['PICKING', 'WAIT_PACK'],
  pack: ['WAIT_PACK', 'PACKING'],
  packed: ['PACKING', 'PACKED'],
} as const satisfies Record<WorkAtWarehouse['step'], readonly [JobState, JobState]>;

/**
 * Somebody of the warehouse does a step of a job. Done again it is done once.
 *
 * @throws Rejection `NoSuchJob`, `StepRefused`: nothing has changed
 */
export function workAtWarehouse(database: Database, input: WorkAtWarehouse): Promise<JobState> {
  return database.transaction(async (sql) => {
    const { orderId, step } = validInput(workAtWarehouseSchema, input);
    const [from, to] = steps[step];
    const [moved] = await sql<{ state: JobState }>(MOVE_JOB, [orderId, from, to]);
    if (moved) await tell(sql, orderId, step);
    const state = moved?.state ?? (await jobOf(sql, orderId));
    if (state === undefined) throw new Rejection('NoSuchJob', `the warehouse has no job of order ${orderId}`);
    if (state === to) return state;
    throw new Rejection('StepRefused', `the job of order ${orderId} is ${state}: '${step}' is for one that is ${from}`);
  });
}

async function jobOf(sql: Sql, orderId: string): Promise<JobState | undefined> {
  return (await sql<{ state: JobState }>(JOB, [orderId]))[0]?.state;
}
