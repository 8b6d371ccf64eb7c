import type { Inventory } from '../../src/activities/inventory/index.js';
import type { Orders } from '../../src/activities/orders/index.js';
import type { Payments } from '../../src/activities/payments/index.js';
import { formatCents } from '../../src/contracts/money.js';
import type { PlaceOrder } from '../../src/contracts/place-order.js';
import { participant, saga } from '../../src/kit/workflow/index.js';
import { stepsOf } from '../steps.js';

const orders = participant<Orders>('orders');
const payments = participant<Payments>('payments');
const inventory = participant<Inventory>('inventory');

/** The same three steps as a saga of the kit, with the summaries that the shop's own saga has. */
export const kitOrder = saga({}, async (tx, order: PlaceOrder): Promise<void> => {
  const { orderId, customerId, sku, units, amount } = order;
  const { create, pay, reserve } = stepsOf(order);
  await tx.run('create-order', orders.create, create, {
    summary: `create order ${orderId} of customer ${customerId}`,
  });
  await tx.run('pay', payments.charge, pay, { summary: `pay ${formatCents(amount)} for order ${orderId}` });
  await tx.run('reserve-stock', inventory.reserve, reserve, {
    summary: `reserve ${units} ${sku} for order ${orderId}`,
  });
});
export { collectLog, deliverAlarms } from '../../src/kit/workflow/index.js';
