import type { Charge, CreateOrder, Reserve } from '../src/contracts/services.js';
import type { PlaceOrder } from '../src/contracts/place-order.js';

/** What an order asks of each of the three steps: the same for every system. Pure: workflows use it. */
export function stepsOf({ orderId, customerId, sku, units, amount }: PlaceOrder) {
  return {
    create: { orderId, customerId, sku, units, amount } satisfies CreateOrder,
    pay: { orderId, customerId, amount } satisfies Charge,
    reserve: { orderId, sku, units } satisfies Reserve,
  };
}
