import { orderPlacedSchema, type OrderPlaced } from '../../contracts/services.js';
import { Rejection, type Guard } from '../../kit/database/index.js';
import type { Forward } from '../../kit/workflow/participant.js';
import { validInput } from '../input.js';
import { NOTIFY_PLACED } from './sql.js';

/** The notifications service: what customers are told, each thing once. */
export function createNotifications({ guard }: { guard: Guard }) {
  /** Tells the customer that the order is on its way. Rejections: `AlreadyNotified`, `InvalidInput`. */
  const orderPlaced = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { orderId, customerId } = validInput(orderPlacedSchema, input);
        const [row] = await sql(NOTIFY_PLACED, [orderId, customerId]);
        if (!row) throw new Rejection('AlreadyNotified', `customer ${customerId} was told of order ${orderId} before`);
        return { orderId };
      }),
  } satisfies Forward<OrderPlaced, { orderId: string }>;

  return { orderPlaced };
}

export type Notifications = ReturnType<typeof createNotifications>;
