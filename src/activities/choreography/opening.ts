import { choreographedOrderSchema, type ChoreographedOrder, type OpenedOrder } from '../../contracts/events.js';
import type { Guard } from '../../kit/database/index.js';
import type { Forward } from '../../kit/workflow/participant.js';
import { validInput } from '../input.js';
import { createOrder } from '../orders/index.js';
import { MARK_CHOREOGRAPHED } from '../orders/sql.js';
import { outboxes } from './outboxes.js';
import { tell } from './react.js';

/**
 * How a choreographed order begins: it is created, its points are taken and the others are told, in one local transaction. That is all
 * that a workflow has to do with it: its id is that of every other scheme, so that an order is placed by one of them.
 */
export function createOpening({ guard }: { guard: Guard }) {
  /** Rejections: as of `orders.create`. */
  const open = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const order = validInput(choreographedOrderSchema, input);
        const created = await createOrder(sql, order);
        await sql(MARK_CHOREOGRAPHED, [order.orderId]);
        const { pointsSpent } = created;
        await tell(sql, outboxes.orders, { order, cause: null }, { topic: 'order.created', pointsSpent });
        return created;
      }),
  } satisfies Forward<ChoreographedOrder, OpenedOrder>;
  return { open };
}

export type Opening = ReturnType<typeof createOpening>;
