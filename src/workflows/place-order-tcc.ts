import type { Inventory } from '../activities/inventory/index.js';
import type { Notifications } from '../activities/notifications/index.js';
import type { Orders } from '../activities/orders/index.js';
import type { Payments } from '../activities/payments/index.js';
import type { Shipping } from '../activities/shipping/index.js';
import { formatCents } from '../contracts/money.js';
import type { PlacedOrder, PlaceOrder } from '../contracts/place-order.js';
import { participant, tcc } from '../kit/workflow/index.js';

const orders = participant<Orders>('orders');
const payments = participant<Payments>('payments');
const inventory = participant<Inventory>('inventory');
const shipping = participant<Shipping>('shipping');
const notifications = participant<Notifications>('notifications');

/**
 * Places an order by try, confirm and cancel: the order is created with its points, then the money and the units are frozen for it,
 * side by side. Nobody else can have them, and nobody sees an order that was paid and comes to nothing. All held: it stands, and all
 * of it is confirmed. Anything else: all of it is given back.
 *
 * A parcel and a message cannot be held. They go out when the order stands, and are asked until they are done: nothing may refuse
 * them any more, as all that could (the stock, the money) was tried before.
 */
export const placeOrderTcc = tcc({}, async (tx, order: PlaceOrder): Promise<PlacedOrder> => {
  const { orderId, customerId, sku, units, amount } = order;
  const { pointsSpent } = await tx.try(
    'create-order',
    orders.draft,
    { orderId, customerId, sku, units, amount },
    { summary: `create order ${orderId} of customer ${customerId}` },
  );
  const [{ paymentId }] = await tx.parallel(
    () =>
      tx.try(
        'pay',
        payments.freeze,
        { orderId, customerId, amount },
        { summary: `freeze ${formatCents(amount)} for order ${orderId}` },
      ),
    () =>
      tx.try(
        'reserve-stock',
        inventory.freeze,
        { orderId, sku, units },
        { summary: `freeze ${units} ${sku} for order ${orderId}` },
      ),
  );
  await tx.confirm();
  const { shipmentId } = await tx.forward(
    'ship',
    shipping.dispatch,
    { orderId, customerId, sku, units },
    { summary: `ship ${units} ${sku} of order ${orderId}` },
  );
  await tx.forward(
    'notify',
    notifications.orderPlaced,
    { orderId, customerId },
    { summary: `tell customer ${customerId} that order ${orderId} is on its way` },
  );
  return { orderId, paymentId, shipmentId, pointsSpent };
});
