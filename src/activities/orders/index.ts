import { pointsFor } from '../../contracts/money.js';
import {
  completeOrderSchema,
  createOrderSchema,
  type CompleteOrder,
  type CreateOrder,
} from '../../contracts/services.js';
import { Rejection, type Guard, type Sql } from '../../kit/database/index.js';
import type { Forward, Undoable } from '../../kit/workflow/participant.js';
import { validInput } from '../input.js';
import { CANCEL_ORDER, COMPLETE_ORDER, CREATE_ORDER, ORDER_STATUS } from './sql.js';

/** What creating an order answers. */
interface CreatedOrder {
  orderId: string;
  /** Points that the order took: as many as the customer had, at most one for each whole unit of money. */
  pointsSpent: number;
}

/** The orders service: orders and their status, customers and their points. */
export function createOrders({ guard }: { guard: Guard }) {
  /** Creates the order and takes its points. Rejections: `UnknownCustomer`, `DuplicateOrder`, `InvalidInput`. */
  const create = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { orderId, customerId, sku, units, amount } = validInput(createOrderSchema, input);
        const values = [orderId, customerId, sku, units, amount, pointsFor(amount)];
        const [row] = await sql<{ points_spent: number | null }>(CREATE_ORDER, values);
        if (!row) throw new Rejection('UnknownCustomer', `the shop has no customer ${customerId} (order ${orderId})`);
        if (row.points_spent === null) throw new Rejection('DuplicateOrder', `order ${orderId} exists`);
        return { orderId, pointsSpent: row.points_spent };
      }),
    /** Cancels the order and gives its points back. */
    compensation: (operation, input) =>
      guard.undo(operation, input, async (sql) => {
        const { orderId, customerId } = input;
        const [row] = await sql<{ points_spent: number }>(CANCEL_ORDER, [orderId, customerId]);
        if (!row) throw new Error(`order ${orderId} cannot be cancelled: it is ${await statusOf(sql, orderId)}`);
        return { pointsReturned: row.points_spent };
      }),
  } satisfies Undoable<CreateOrder, CreatedOrder>;

  /** Completes a created order. Rejections: `OrderNotCreated` (it is anything else), `InvalidInput`. */
  const complete = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { orderId } = validInput(completeOrderSchema, input);
        const [row] = await sql(COMPLETE_ORDER, [orderId]);
        if (row) return { orderId };
        const status = await statusOf(sql, orderId);
        throw new Rejection('OrderNotCreated', `order ${orderId} cannot be completed: it is ${status}`);
      }),
  } satisfies Forward<CompleteOrder, { orderId: string }>;

  return { create, complete };
}

export type Orders = ReturnType<typeof createOrders>;

async function statusOf(sql: Sql, orderId: string): Promise<string> {
  const [row] = await sql<{ status: string }>(ORDER_STATUS, [orderId]);
  return row?.status ?? 'unknown to the shop';
}
