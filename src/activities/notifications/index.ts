import { orderPlacedSchema, type OrderPlaced } from '../../contracts/services.js';
import { Rejection, type Guard } from '../../kit/database/index.js';
import type { Operation } from '../../kit/workflow/branch.js';
import { validInput } from '../input.js';
import { NOTIFY_PLACED } from './sql.js';

/** The notifications service: what customers are told, each thing once. */
export function createNotifications({ guard }: { guard: Guard }) {
  return {
    /** Tells the customer that the order is on its way. Rejections: `AlreadyNotified`, `InvalidInput`. */
    orderPlaced: {
      action: (operation: Operation, input: OrderPlaced): Promise<{ orderId: string }> =>
        guard.apply(operation, input, async (sql) => {
          const { orderId, customerId } = validInput(orderPlacedSchema, input);
          const [row] = await sql(NOTIFY_PLACED, [orderId, customerId]);
          if (!row)
            throw new Rejection('AlreadyNotified', `customer ${customerId} was told of order ${orderId} before`);
          return { orderId };
        }),
    },
  };
}

export type Notifications = ReturnType<typeof createNotifications>;
