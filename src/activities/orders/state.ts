import { placedOrderSchema, type OfPlacedOrder } from '../../contracts/services.js';
import type { OrderState } from '../../contracts/shop.js';
import type { Database } from '../../kit/database/index.js';
import { validInput } from '../input.js';
import { ORDER_STATE } from './sql.js';

/** An order as it is now; `null`: the shop has none of that id. */
export async function orderState(database: Database, input: OfPlacedOrder): Promise<OrderState | null> {
  const { orderId } = validInput(placedOrderSchema, input);
  const [order] = await database.run<OrderState>(ORDER_STATE, [orderId]);
  return order ?? null;
}
