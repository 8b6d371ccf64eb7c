import type { Inventory } from '../activities/inventory/index.js';
import type { Notifications } from '../activities/notifications/index.js';
import type { Orders } from '../activities/orders/index.js';
import type { Payments } from '../activities/payments/index.js';
import type { Shipping } from '../activities/shipping/index.js';
import type {
  CloseLost,
  RecalledOrder,
  RecallOrder,
  RefundedOrder,
  RefundRecalled,
} from '../contracts/recall-order.js';
import { participant, saga } from '../kit/workflow/index.js';

const orders = participant<Orders>('orders');
const payments = participant<Payments>('payments');
const inventory = participant<Inventory>('inventory');
const shipping = participant<Shipping>('shipping');
const notifications = participant<Notifications>('notifications');

/**
 * Recalls a placed order: its parcel has left and its customer was told, so nothing of it can be undone. The order is
 * marked → the carrier is asked for the parcel (the pivot) → the customer is corrected.
 *
 * It ends there: what becomes of the order is for the carrier to say, days later ({@link refundRecalled} or
 * {@link closeLost}). No parcel has left: the mark is taken back, and nobody is told anything.
 */
export const recallOrder = saga({}, async (tx, recall: RecallOrder): Promise<RecalledOrder> => {
  const { orderId, reason, actor } = recall;
  await tx.run('mark-order', orders.recall, { orderId }, { summary: `mark order ${orderId} as recalled` });
  const { customerId } = await tx.pivot(
    'ask-carrier',
    shipping.recall,
    { orderId, reason, actor },
    { summary: `ask the carrier for the parcel of order ${orderId}` },
  );
  await tx.forward(
    'correct',
    notifications.orderRecalled,
    { orderId, customerId },
    { summary: `tell customer ${customerId} that order ${orderId} is recalled` },
  );
  return { orderId, customerId };
});

/**
 * The parcel of a recalled order came back: money, stock and points go back, and then the order is final. That the parcel
 * was still missed until now is the pivot, and the only step that may be refused: after it all goes back, before it
 * nothing does.
 */
export const refundRecalled = saga({}, async (tx, { orderId }: RefundRecalled): Promise<RefundedOrder> => {
  const { customerId, sku } = await tx.pivot(
    'take-back',
    shipping.takeBack,
    { orderId },
    { summary: `the parcel of order ${orderId} came back` },
  );
  const [{ refunded }, { released }] = await tx.parallel(
    () => tx.forward('refund', payments.refund, { orderId, customerId }, { summary: `refund order ${orderId}` }),
    () => tx.forward('restock', inventory.release, [orderId, sku], { summary: `put order ${orderId} back in stock` }),
  );
  const { pointsReturned } = await tx.forward(
    'end-order',
    orders.takeBack,
    { orderId, customerId },
    { summary: `end order ${orderId} as returned, points back` },
  );
  return { orderId, refunded, unitsReturned: released, pointsReturned };
});

/**
 * The parcel of a recalled order is lost: the recall could not make good what was done, which is logged with who said so
 * and why, and the order ends as lost. No money moves: whether to refund is for people to decide.
 */
export const closeLost = saga({}, async (tx, lost: CloseLost): Promise<{ orderId: string }> => {
  const { orderId, reason, actor } = lost;
  await tx.pivot(
    'lose',
    shipping.lose,
    { orderId, reason, actor },
    { summary: `the parcel of order ${orderId} is lost` },
  );
  return tx.forward('end-order', orders.lose, { orderId }, { summary: `end order ${orderId} as lost` });
});
