import type { Inventory } from '../activities/inventory/index.js';
import type { Notifications } from '../activities/notifications/index.js';
import type { Orders } from '../activities/orders/index.js';
import type { Payments } from '../activities/payments/index.js';
import type { Shipping } from '../activities/shipping/index.js';
import { formatCents } from '../contracts/money.js';
import type { PlacedOrder, PlaceOrder } from '../contracts/place-order.js';
import { participant, saga } from '../kit/workflow/index.js';

const orders = participant<Orders>('orders');
const payments = participant<Payments>('payments');
const inventory = participant<Inventory>('inventory');
const shipping = participant<Shipping>('shipping');
const notifications = participant<Notifications>('notifications');

/**
 * Places an order: create it (and take the points it spends) → pay → reserve stock → ship (the pivot) → complete it
 * and notify, side by side. With the sequence `stock-first` the stock is reserved before the payment; so it is, whatever the sequence, where
 * the order was created by the state table, which has deducted its stock.
 *
 * Payment refused: the order is cancelled and the points go back. Stock short: the money goes back first.
 *
 * With `announce` the customer is told that the order came in, before the payment. That cannot be undone: if the order is,
 * another message corrects it.
 */
export const placeOrder = saga({ deadline: '10 minutes' }, async (tx, order: PlaceOrder): Promise<PlacedOrder> => {
  const { orderId, customerId, sku, units, amount } = order;
  const { pointsSpent, stockDeducted } = await tx.run(
    'create-order',
    orders.create,
    { orderId, customerId, sku, units, amount },
    { summary: `create order ${orderId} of customer ${customerId}` },
  );

  if (order.announce === true) {
    await tx.run(
      'announce',
      notifications.announce,
      { orderId, customerId },
      { amends: true, summary: `tell customer ${customerId} that order ${orderId} came in` },
    );
  }

  const pay = () =>
    tx.run(
      'pay',
      payments.charge,
      { orderId, customerId, amount },
      { summary: `pay ${formatCents(amount)} for order ${orderId}` },
    );
  const reserve = () =>
    tx.run('reserve-stock', inventory.reserve, [orderId, sku, units], {
      summary: `reserve ${units} ${sku} for order ${orderId}`,
    });
  // Where the state table has deducted the stock already, a payment that is refused has to give it back.
  const stockFirst = order.sequence === 'stock-first' || stockDeducted === true;
  if (stockFirst) await reserve();
  const { paymentId } = await pay();
  // Whatever else a starter may have written: nothing is shipped that was not reserved.
  if (!stockFirst) await reserve();

  const { shipmentId } = await tx.pivot(
    'ship',
    shipping.dispatch,
    { orderId, customerId, sku, units },
    { summary: `ship ${units} ${sku} of order ${orderId}` },
  );
  await tx.parallel(
    () => tx.forward('complete-order', orders.complete, { orderId }, { summary: `complete order ${orderId}` }),
    () =>
      tx.forward(
        'notify',
        notifications.orderPlaced,
        { orderId, customerId },
        { summary: `tell customer ${customerId} that order ${orderId} is on its way` },
      ),
  );
  return { orderId, paymentId, shipmentId, pointsSpent };
});
