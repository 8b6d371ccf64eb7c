import {
  lifecycleOrderSchema,
  openOrderSchema,
  type LifecycleOrder,
  type LookedLifecycle,
  type OpenedLifecycle,
  type OpenOrder,
  type OrderMoved,
} from '../../contracts/lifecycle.js';
import { pointsFor } from '../../contracts/money.js';
import { orderGid } from '../../contracts/place-order.js';
import { orderIdSchema, type OfOrder } from '../../contracts/services.js';
import type { OrderState } from '../../contracts/shop.js';
import { machineRows, Rejection, type Database, type Guard, type Sql } from '../../kit/database/index.js';
import type { Forward, Undoable } from '../../kit/workflow/participant.js';
import type { MoveOrder, RunOrder } from '../../kit/workflow/index.js';
import { outboxes } from '../choreography/outboxes.js';
import { validInput } from '../input.js';
import { AWARD_POINTS, ORDER_STATE } from '../orders/sql.js';
import { LOOK, OPEN_ORDER, ORDER_DETAILS, RETURN_POINTS } from './sql.js';

/**
 * The rows of orders that live for weeks, in the orders database: which state an order is in is decided here, by a guarded move, whoever
 * asks. What belongs to a move and is in this database is done in its transaction: points go back when an order comes to nothing, they are
 * earned when it is completed, and the warehouse is told, by the outbox.
 *
 * States: those of the machine `orderLifecycle`. An order is created first, as by every other scheme, and then opened: created → WAIT_PAY.
 * Invariant: an order moves along the machine's table only, one move at a time, and not from a final state; its points agree with its state.
 */
export function createLifecycle({ database, guard }: { database: Database; guard: Guard }) {
  const rows = machineRows(database, guard, {
    ...{ table: 'orders', id: 'order_id', state: 'status', subState: 'sub_state', version: 'version' },
    ...{ movedAt: 'moved_at', moves: 'order_moves' },
    beside: moveBeside,
    data: (sql, orderId) => orderOf(sql, orderId),
  });

  /** Opens an order that was created, whose coupon and stock are held. Rejections: `OrderNotCreated`, `InvalidInput`. */
  const open = {
    // When it is asked again is no other request: what was done first counts.
    action: (operation, { at, ...input }) =>
      guard.apply(operation, input, async (sql) => {
        const { orderId, coupon, amountOff } = validInput(openOrderSchema, { ...input, at });
        const [row] = await sql<OpenedLifecycle>(OPEN_ORDER, [orderId, coupon ?? null, amountOff, at]);
        if (row) return row;
        const [order] = await sql<OrderState>(ORDER_STATE, [orderId]);
        const is = order?.status ?? 'unknown to the shop';
        throw new Rejection('OrderNotCreated', `order ${orderId} cannot be opened: it is ${is}`);
      }),
  } satisfies Forward<OpenOrder, OpenedLifecycle>;

  /** Tells the warehouse of an order again, which has not said that it has received it. */
  const tellAgain = {
    action: (operation, run) =>
      guard.apply(operation, run, async (sql) => {
        await tellWarehouse(sql, orderIdOf(run.id), 'order.paid', 'WAIT_PICK', `again-${run.round}`);
      }),
  } satisfies Forward<RunOrder, unknown>;

  /** What is to be paid for an order. It changes nothing, so that there is nothing to undo. Rejections: `InvalidInput`. */
  const price = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { amount, discount } = await detailsOf(sql, validInput(orderIdSchema, input).orderId);
        return { toPay: amount - discount };
      }),
    compensation: (operation, input) => guard.undo(operation, input, () => Promise.resolve()),
  } satisfies Undoable<OfOrder, { toPay: number }>;

  return {
    openLifecycle: open,
    price,
    tellAgain,
    /** The guarded move of an order: `machineRows`, by the id of its machine. */
    move: {
      action: (operation, order) => rows.move.action(operation, { ...order, id: orderIdOf(order.id) }),
    } satisfies typeof rows.move,
    read: {
      action: async (operation, order) => {
        const row = await rows.read.action(operation, { ...order, id: orderIdOf(order.id) });
        // Created and not opened yet, or cancelled before it was: that is no order of the machine's. Whoever begins waits for its opening.
        return row?.state === row?.state.toUpperCase() ? row : null;
      },
    } satisfies typeof rows.read,
  };
}

export type Lifecycle = ReturnType<typeof createLifecycle>;

/** How long it may take to say where an order is, in milliseconds. */
const LOOK_MS = 3_000;

/** An order with a lifecycle as its row has it; `null`: there is none, or it is of another scheme. */
export async function lookAtLifecycle(database: Database, input: OfOrder): Promise<LookedLifecycle | null> {
  const { orderId } = validInput(orderIdSchema, input);
  const [row] = await database.run<LookedLifecycle>(LOOK, [orderId], LOOK_MS);
  return row ?? null;
}

/** The order of a machine: its id begins as every transaction of an order does. */
function orderIdOf(machine: string): string {
  const prefix = orderGid('');
  if (machine.startsWith(prefix)) return machine.slice(prefix.length);
  throw new Rejection('InvalidInput', `id is ${JSON.stringify(machine)}: must begin with ${prefix}`);
}

/** How far the warehouse's job is to be when an order comes to a state; what is not named does not concern it. */
const jobs: Readonly<Record<string, OrderMoved['job']>> = {
  PAID: 'WAIT_PICK',
  'PAID.PICKING': 'PICKING',
  'PAID.WAIT_PACK': 'WAIT_PACK',
  'PAID.PACKING': 'PACKING',
  WAIT_DELIVER: 'PACKED',
  DELIVERED: 'SHIPPED',
};

/** What else is done in the transaction of a move. */
async function moveBeside(sql: Sql, { id: orderId, from, to }: MoveOrder): Promise<unknown> {
  // The warehouse has a job of what was paid, until it has left.
  const stops = from === 'WAIT_DELIVER' && (to === 'CANCELLED' || to === 'REFUNDING');
  const job = stops ? 'STOPPED' : jobs[to];
  if (job !== undefined) await tellWarehouse(sql, orderId, to === 'PAID' ? 'order.paid' : 'order.moved', job);
  if (to === 'CANCELLED' || to === 'REFUNDED') {
    const [returned] = await sql<{ pointsReturned: number }>(RETURN_POINTS, [orderId]);
    return returned ?? { pointsReturned: 0 };
  }
  if (to !== 'COMPLETED') return undefined;
  const { customerId, amount, discount } = await detailsOf(sql, orderId);
  const pointsEarned = pointsFor(amount - discount);
  await sql(AWARD_POINTS, [orderId, customerId, pointsEarned]);
  return { pointsEarned };
}

interface Details extends LifecycleOrder {
  discount: number;
}

async function detailsOf(sql: Sql, orderId: string): Promise<Details> {
  const [row] = await sql<Omit<Details, 'coupon'> & { coupon: string | null }>(ORDER_DETAILS, [orderId]);
  if (row === undefined) throw new Error(`there is no order ${orderId}`);
  const { coupon, ...order } = row;
  return { ...order, ...(coupon !== null && { coupon }) };
}

/** An order as its machine was started with it. */
async function orderOf(sql: Sql, orderId: string): Promise<LifecycleOrder> {
  const { customerId, sku, units, amount, coupon } = await detailsOf(sql, orderId);
  return lifecycleOrderSchema.parse({ orderId, customerId, sku, units, amount, coupon });
}

/** Tells the warehouse how far the job of an order is to be, in the transaction of what it tells of. */
async function tellWarehouse(
  sql: Sql,
  orderId: string,
  topic: 'order.paid' | 'order.moved',
  job: OrderMoved['job'],
  of: string = job,
): Promise<void> {
  const { sku, units } = await detailsOf(sql, orderId);
  const payload: OrderMoved = { orderId, sku, units, job };
  await outboxes.orders.add(sql, { id: `${orderGid(orderId)}/${topic}/${of}`, topic, key: orderId, payload });
}
