import { proxyActivities } from '@temporalio/workflow';
import type { Opening } from '../activities/choreography/opening.js';
import type { ShopActivities } from '../activities/index.js';
import type { ChoreographedOrder, LookedOrder, OpenedOrder, PaymentAnswer } from '../contracts/events.js';
import { participant, saga } from '../kit/workflow/index.js';

const orders = participant<Opening>('orders');

const asked = proxyActivities<ShopActivities>({
  startToCloseTimeout: '20 seconds',
  retry: { maximumAttempts: 4, nonRetryableErrorTypes: ['Rejection'] },
});

/**
 * Opens an order that no orchestrator has: the orders service creates it and adds the event that says so, in one transaction. That is
 * all of this: the services go on from there, each on account of what another one tells.
 */
export const placeOrderChoreographed = saga(
  { deadline: '10 minutes' },
  (tx, order: ChoreographedOrder): Promise<OpenedOrder> => {
    const { orderId, customerId } = order;
    const summary = `create order ${orderId} of customer ${customerId}, and tell the others`;
    return tx.pivot('open-order', orders.open, order, { summary });
  },
);

/** What can be said of a choreographed order now. */
export async function lookAtOrder(orderId: string): Promise<LookedOrder> {
  return asked['orders.look']({ orderId });
}

/** Makes the payment of a choreographed order that waits for it. */
export async function payOrder(orderId: string): Promise<PaymentAnswer> {
  return asked['payments.pay']({ orderId });
}
