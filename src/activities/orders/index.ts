import { pointsFor } from '../../contracts/money.js';
import {
  completeOrderSchema,
  createOrderSchema,
  giveBackSchema,
  placedOrderSchema,
  type CompleteOrder,
  type CreateOrder,
  type GiveBack,
  type OfPlacedOrder,
} from '../../contracts/services.js';
import type { OrderState } from '../../contracts/shop.js';
import { Rejection, type Guard, type Operation, type Sql } from '../../kit/database/index.js';
import type { Forward, TryConfirmCancel, Undoable } from '../../kit/workflow/participant.js';
import { validInput } from '../input.js';
import {
  CANCEL_ORDER,
  CANCEL_ORDER_AT_ONCE,
  COMPLETE_ORDER,
  CREATE_ORDER,
  CREATE_ORDER_AT_ONCE,
  LOSE_ORDER,
  MARK_RECALLED,
  ORDER_STATE,
  TAKE_BACK_ORDER,
  UNMARK_RECALLED,
} from './sql.js';

/** What creating an order answers. */
export interface CreatedOrder {
  orderId: string;
  /** Points that the order took: as many as the customer had, at most one for each whole unit of money. */
  pointsSpent: number;
  /** Its stock was deducted before it was created: whoever goes on with it takes that over before anything else may be refused. */
  stockDeducted?: true;
}

/** The orders service: orders and their status, customers and their points. */
export function createOrders({ guard }: { guard: Guard }) {
  const begin = (operation: Operation, input: CreateOrder): Promise<CreatedOrder> => {
    // The state table's list is: deduct the stock, then create the order.
    const stockFirst = operation.scheme === 'state';
    const work = async (sql: Sql): Promise<CreatedOrder> => {
      const created = await createOrder(sql, validInput(createOrderSchema, input));
      return stockFirst ? { ...created, stockDeducted: true } : created;
    };
    const atOnce = () => ({
      statement: CREATE_ORDER_AT_ONCE,
      values: valuesOf(validInput(createOrderSchema, input)),
    });
    return guard.apply(operation, input, work, stockFirst ? undefined : atOnce);
  };
  const cancel = (operation: Operation, input: CreateOrder) =>
    guard.undo(
      operation,
      input,
      async (sql) => {
        const { orderId } = input;
        const row = await cancelOrder(sql, input);
        if (!row) throw new Error(`order ${orderId} cannot be cancelled: it is ${await statusOf(sql, orderId)}`);
        return row;
      },
      () => ({ statement: CANCEL_ORDER_AT_ONCE, values: [input.orderId, input.customerId] }),
    );

  /**
   * Creates the order and takes its points, or cancels it and gives them back. Rejections: `UnknownCustomer`,
   * `DuplicateOrder`, `InvalidInput`.
   */
  const create = { action: begin, compensation: cancel } satisfies Undoable<CreateOrder, CreatedOrder>;

  /** The same in a TCC transaction: an order that is created holds its points, until it is placed or cancelled. */
  const draft = {
    try: begin,
    confirm: (operation, input) => guard.confirm(operation, input, (sql) => placeOrder(sql, input.orderId)),
    cancel,
  } satisfies TryConfirmCancel<CreateOrder, CreatedOrder>;

  /** Completes a created order. Rejections: `OrderNotCreated` (it is anything else), `InvalidInput`. */
  const complete = {
    action: (operation, input) =>
      guard.apply(
        operation,
        input,
        (sql) => placeOrder(sql, validInput(completeOrderSchema, input).orderId),
        () => ({ statement: COMPLETE_ORDER, values: [validInput(completeOrderSchema, input).orderId] }),
      ),
  } satisfies Forward<CompleteOrder, { orderId: string }>;

  /**
   * Marks a placed order as recalled; it stays placed until the carrier has spoken. Rejections: `OrderNotPlaced`,
   * `AlreadyRecalled`, `InvalidInput`.
   */
  const recall = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { orderId } = validInput(placedOrderSchema, input);
        const [row] = await sql<{ customer_id: string }>(MARK_RECALLED, [orderId]);
        if (row) return { customerId: row.customer_id };
        const [order] = await sql<OrderState>(ORDER_STATE, [orderId]);
        if (order?.recalled) throw new Rejection('AlreadyRecalled', `order ${orderId} was recalled before`);
        throw new Rejection('OrderNotPlaced', `order ${orderId} cannot be recalled: it is ${shown(order)}`);
      }),
    /** The carrier was never asked: the order is as if nobody had recalled it. */
    compensation: (operation, input) =>
      guard.undo(operation, input, async (sql) => {
        const { orderId } = input;
        const [row] = await sql(UNMARK_RECALLED, [orderId]);
        if (!row)
          throw new Error(`the recall of order ${orderId} cannot be taken back: it is ${await statusOf(sql, orderId)}`);
      }),
  } satisfies Undoable<OfPlacedOrder, { customerId: string }>;

  /** Ends an order whose parcel came back, and gives its points back. Rejections: `OrderNotRecalled`, `InvalidInput`. */
  const takeBack = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { orderId, customerId } = validInput(giveBackSchema, input);
        const [row] = await sql<{ points_spent: number }>(TAKE_BACK_ORDER, [orderId, customerId]);
        if (!row) throw await notRecalled(sql, orderId);
        return { pointsReturned: row.points_spent };
      }),
  } satisfies Forward<GiveBack, { pointsReturned: number }>;

  /** Ends an order whose parcel is lost; nothing goes back. Rejections: `OrderNotRecalled`, `InvalidInput`. */
  const lose = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { orderId } = validInput(placedOrderSchema, input);
        const [row] = await sql(LOSE_ORDER, [orderId]);
        if (!row) throw await notRecalled(sql, orderId);
        return { orderId };
      }),
  } satisfies Forward<OfPlacedOrder, { orderId: string }>;

  return { create, draft, complete, recall, takeBack, lose };
}

export type Orders = ReturnType<typeof createOrders>;

/** Creates an order and takes its points. @throws Rejection `UnknownCustomer`, `DuplicateOrder`: nothing has changed */
export async function createOrder(sql: Sql, order: CreateOrder): Promise<CreatedOrder> {
  const { orderId, customerId } = order;
  const [row] = await sql<{ points_spent: number | null }>(CREATE_ORDER, valuesOf(order));
  if (!row) throw new Rejection('UnknownCustomer', `the shop has no customer ${customerId} (order ${orderId})`);
  if (row.points_spent === null) throw new Rejection('DuplicateOrder', `order ${orderId} exists`);
  return { orderId, pointsSpent: row.points_spent };
}

function valuesOf({ orderId, customerId, sku, units, amount }: CreateOrder): readonly unknown[] {
  return [orderId, customerId, sku, units, amount, pointsFor(amount)];
}

/** Cancels an order that is created, and gives its points back. Nothing: it is not created. */
export async function cancelOrder(
  sql: Sql,
  { orderId, customerId }: Pick<CreateOrder, 'orderId' | 'customerId'>,
): Promise<{ pointsReturned: number } | undefined> {
  const [row] = await sql<{ pointsReturned: number }>(CANCEL_ORDER, [orderId, customerId]);
  return row;
}

/** Completes an order. @throws Rejection `OrderNotCreated`: nothing has changed */
export async function placeOrder(sql: Sql, orderId: string): Promise<{ orderId: string }> {
  const [row] = await sql<{ orderId: string }>(COMPLETE_ORDER.text, [orderId]);
  if (row) return row;
  const status = await statusOf(sql, orderId);
  throw new Rejection('OrderNotCreated', `order ${orderId} cannot be completed: it is ${status}`);
}

async function statusOf(sql: Sql, orderId: string): Promise<string> {
  const [order] = await sql<OrderState>(ORDER_STATE, [orderId]);
  return shown(order);
}

function shown(order: OrderState | undefined): string {
  return order?.status ?? 'unknown to the shop';
}

async function notRecalled(sql: Sql, orderId: string): Promise<Rejection> {
  return new Rejection('OrderNotRecalled', `order ${orderId} is not recalled: it is ${await statusOf(sql, orderId)}`);
}
