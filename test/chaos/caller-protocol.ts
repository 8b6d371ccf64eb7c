import type { PlacedOrder, PlaceOrder } from '../../src/contracts/place-order.js';
import type { OrderOptions } from './faults.js';

/** What the customers and the processes that place orders for them tell each other. */

/** Printed by a caller that takes orders. */
export const READY = 'takes orders';

/** To a caller: place this order. */
export interface AskedOrder {
  readonly id: number;
  readonly order: PlaceOrder;
  readonly options: Pick<OrderOptions, 'lane' | 'retries' | 'deadline'>;
}

/** What the customer of an order is told. `again`: nothing definite, ask again. */
export type Told =
  | { readonly told: 'placed'; readonly result: PlacedOrder }
  | { readonly told: 'undone' | 'stuck' | 'error' | 'again'; readonly reason: string };

/** From a caller. */
export type Reply = Told & { readonly id: number };
