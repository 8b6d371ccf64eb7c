import type { Charge, CreateOrder } from '../src/contracts/services.js';
import type { PlaceOrder } from '../src/contracts/place-order.js';

/** The arguments of a reservation. */
export type Reserve = [orderId: string, sku: string, units: number];

/** What an order asks of each of the three steps: the same for every system. Pure: workflows use it. */
export function stepsOf({ orderId, customerId, sku, units, amount }: PlaceOrder) {
  return {
    create: { orderId, customerId, sku, units, amount } satisfies CreateOrder,
    pay: { orderId, customerId, amount } satisfies Charge,
    reserve: [orderId, sku, units] as Reserve,
  };
}
