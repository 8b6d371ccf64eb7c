import { customerSchema, placedOrderSchema, type OfCustomer, type OfPlacedOrder } from '../../contracts/services.js';
import type { OrderState } from '../../contracts/shop.js';
import type { Database } from '../../kit/database/index.js';
import { validInput } from '../input.js';
import { HAS_CUSTOMER, ORDER_STATE } from './sql.js';

/** An order as it is now; `null`: the shop has none of that id. */
export async function orderState(database: Database, input: OfPlacedOrder): Promise<OrderState | null> {
  const { orderId } = validInput(placedOrderSchema, input);
  const [order] = await database.run<OrderState>(ORDER_STATE, [orderId]);
  return order ?? null;
}

/** How long it may take to answer whether there is a customer, in milliseconds. */
const LOOK_MS = 3_000;

/** Whether the shop has this customer. */
export async function hasCustomer(database: Database, input: OfCustomer): Promise<boolean> {
  const { customerId } = validInput(customerSchema, input);
  return (await database.run(HAS_CUSTOMER, [customerId], LOOK_MS)).length > 0;
}
