import type { Orders } from '../../src/activities/orders/index.js';
import type { Payments } from '../../src/activities/payments/index.js';
import type { PlaceOrder } from '../../src/contracts/place-order.js';
import { participant, saga } from '../../src/kit/workflow/index.js';

const orders = participant<Orders>('orders');
const payments = participant<Payments>('payments');

/** placeOrder with a change that breaks runs under way: it pays before it creates the order. */
export const placeOrder = saga({ deadline: '10 minutes' }, async (tx, order: PlaceOrder) => {
  const { orderId, customerId, sku, units, amount } = order;
  await tx.run('pay', payments.charge, { orderId, customerId, amount });
  await tx.run('create-order', orders.create, { orderId, customerId, sku, units, amount });
});
