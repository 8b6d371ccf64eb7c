import {
  eventId,
  PAYMENT_DUE,
  toldOrderSchema,
  type ChoreographedOrder,
  type PaymentAnswer,
} from '../../contracts/events.js';
import { orderIdSchema, type OfOrder } from '../../contracts/services.js';
import { Rejection, type Database, type Sql } from '../../kit/database/index.js';
import { validInput } from '../input.js';
import { chargeWallet, paymentStatus, tooLittle } from '../payments/index.js';
import { EXPIRE_PAYMENT, PAY_REQUESTED, REQUEST_PAYMENT } from '../payments/sql.js';
import { outboxes } from './outboxes.js';
import { orRefused, reactsTo, tell, whenDue, type Reactions, type Told } from './react.js';

/**
 * What payments does about events. States of a payment: none → captured, or refused at once; and for a customer who pays later none →
 * requested → captured (`order pay`), or expired, when the time is over.
 *
 * Paying and the end of the time move one row: exactly one of them wins, and tells the others. That the time is over is a delayed
 * message to itself, a row in its own database: it outlives every restart, and no workflow has to sleep for it.
 */
export const paymentsReactions: Reactions = {
  ...reactsTo('stock.reserved', outboxes.payments, async (sql, { order }): Promise<Told> => {
    if (order.payLater) {
      const requested = await orRefused(request(sql, order));
      return 'refusal' in requested
        ? { topic: 'payment.refused', refusal: requested.refusal }
        : { topic: 'payment.requested', ...requested };
    }
    const charged = await orRefused(chargeWallet(sql, order));
    return 'refusal' in charged
      ? { topic: 'payment.refused', refusal: charged.refusal }
      : { topic: 'payment.captured', ...charged };
  }),
  ...whenDue(async (sql, { order, cause }) => {
    const [expired] = await sql(EXPIRE_PAYMENT, [order.orderId]);
    // It was paid in time.
    if (expired === undefined) return;
    const message = `order ${order.orderId} was not paid within ${order.payWithinMs} ms`;
    const refused: Told = { topic: 'payment.refused', refusal: { type: 'NotPaid', message } };
    await tell(sql, outboxes.payments, { order, cause }, refused);
  }),
};

/** Asks for a payment, and has itself told when the time for it is over. @throws Rejection: nothing has changed */
async function request(sql: Sql, order: ChoreographedOrder): Promise<{ paymentId: string; payBy: number }> {
  const { orderId, customerId, amount, payWithinMs } = order;
  type Row = { payment_id: string | null; pay_by: number };
  const values = [orderId, customerId, amount, payWithinMs, JSON.stringify(order)];
  const [row] = await sql<Row>(REQUEST_PAYMENT, values);
  if (!row) throw new Rejection('UnknownCustomer', `customer ${customerId} has no wallet (order ${orderId})`);
  if (row.payment_id === null) throw new Rejection('AlreadyPaid', `order ${orderId} has a payment`);
  await outboxes.payments.add(sql, {
    ...{ id: eventId(orderId, PAYMENT_DUE), topic: PAYMENT_DUE, key: orderId, deliverAfter: row.pay_by },
    payload: { order, cause: eventId(orderId, 'payment.requested'), at: Date.now() },
  });
  return { paymentId: row.payment_id, payBy: row.pay_by };
}

/** How long a payment may take with its connection, in milliseconds: it has ended before whoever waits for the activity gives up. */
const PAY_MS = 12_000;

/**
 * Makes the payment of an order that waits for it. Asked again it answers the same. A refusal for want of money changes nothing: the
 * customer may try again, as long as there is time.
 */
export async function payOrder(database: Database, input: OfOrder): Promise<PaymentAnswer> {
  const paying = database.transaction(async (sql) => {
    const { orderId } = validInput(orderIdSchema, input);
    type Row = { balance: string; payment_id: string | null; requested_id: string; amount: number; for_order: unknown };
    const [row] = await sql<Row>(PAY_REQUESTED, [orderId]);
    if (!row) throw new Rejection('NotRequested', `no payment is asked for order ${orderId}`);
    const { amount, requested_id: paymentId } = row;
    const paid = { outcome: 'paid', paymentId, amount } as const;
    if (row.payment_id === null) {
      const status = await paymentStatus(sql, orderId);
      if (status === 'captured') return paid;
      if (status === 'expired') throw new Rejection('NotPaid', `the time to pay order ${orderId} is over`);
      if (status !== 'requested') throw new Rejection('NotRequested', `the payment of order ${orderId} is ${status}`);
    }
    const order = toldOrderSchema.parse(row.for_order);
    if (row.payment_id === null) throw tooLittle(order, row.balance);
    const cause = eventId(orderId, 'payment.requested');
    await tell(sql, outboxes.payments, { order, cause }, { topic: 'payment.captured', paymentId });
    return paid;
  }, PAY_MS);
  const answer = await orRefused(paying);
  return 'refusal' in answer ? { outcome: 'refused', refusal: answer.refusal } : answer;
}
