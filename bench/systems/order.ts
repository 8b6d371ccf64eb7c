import { createShop, type ShopDatabases } from '../../src/activities/index.js';
import type { PlaceOrder } from '../../src/contracts/place-order.js';
import { kitOrder } from '../kit/workflows.js';
import type { Services } from './in-process.js';
import type { KitSaga } from './system.js';

/** The benchmark's order as a saga of the kit, its steps the shop's participants. */
export function orderSaga(databases: ShopDatabases): KitSaga<PlaceOrder> & { readonly participants: Services } {
  const { orders, payments, inventory } = createShop({ databases }).participants;
  return {
    contract: {
      workflow: 'kitOrder',
      scheme: 'saga',
      parse: (order) => order,
      gid: ({ orderId }) => orderId,
      summary: ({ orderId, customerId, units, sku }) => `order ${orderId}: ${units} ${sku}, customer ${customerId}`,
    },
    saga: kitOrder,
    workflows: './kit/workflows',
    participants: { orders, payments, inventory },
    databases: { orders: databases.orders, payments: databases.payments, inventory: databases.inventory },
    refusal: 'OutOfStock',
  };
}
