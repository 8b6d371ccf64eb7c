import { parserOf, type TransactionContract } from '../kit/client/index.js';
import { formatCents } from './money.js';
import { orderGid, placeOrderSchema, type PlacedOrder, type PlaceOrder, type PlaceOrderInput } from './place-order.js';
import {
  closeLostSchema,
  lostGid,
  recallGid,
  recallOrderSchema,
  refundRecalledSchema,
  returnedGid,
  type CloseLost,
  type CloseLostInput,
  type RecalledOrder,
  type RecallOrder,
  type RefundedOrder,
  type RefundRecalled,
} from './recall-order.js';

/** Every business transaction of the shop, for its callers. Workflows and activities do not load this module. */

/** Places an order; see the workflow `placeOrder`. */
export const placeOrderTransaction: TransactionContract<PlaceOrderInput, PlaceOrder, PlacedOrder> = {
  workflow: 'placeOrder',
  scheme: 'saga',
  parse: parserOf(placeOrderSchema),
  gid: (order) => orderGid(order.orderId),
  summary: ({ orderId, customerId, units, sku, amount }) =>
    `order ${orderId}: ${units} ${sku} for ${formatCents(amount)}, customer ${customerId}`,
  details: ({ orderId, customerId, sku, units, amount, sequence }) =>
    [
      '| order | customer | what | units | amount | sequence |',
      '| --- | --- | --- | --- | --- | --- |',
      `| ${orderId} | ${customerId} | ${sku} | ${units} | ${formatCents(amount)} | ${sequence} |`,
    ].join('\n'),
};

/** Recalls a placed order; see the workflow `recallOrder`. */
export const recallOrderTransaction: TransactionContract<RecallOrder, RecallOrder, RecalledOrder> = {
  workflow: 'recallOrder',
  scheme: 'saga',
  parse: parserOf(recallOrderSchema),
  gid: ({ orderId }) => recallGid(orderId),
  summary: ({ orderId, actor, reason }) => `recall order ${orderId}, asked by ${actor}: ${reason}`,
};

/** Refunds a recalled order whose parcel came back; see the workflow `refundRecalled`. */
export const refundRecalledTransaction: TransactionContract<RefundRecalled, RefundRecalled, RefundedOrder> = {
  workflow: 'refundRecalled',
  scheme: 'saga',
  parse: parserOf(refundRecalledSchema),
  gid: ({ orderId }) => returnedGid(orderId),
  summary: ({ orderId }) => `order ${orderId} came back: refund it`,
};

/** Closes a recalled order whose parcel is lost; see the workflow `closeLost`. */
export const closeLostTransaction: TransactionContract<CloseLostInput, CloseLost, { orderId: string }> = {
  workflow: 'closeLost',
  scheme: 'saga',
  parse: parserOf(closeLostSchema),
  gid: ({ orderId }) => lostGid(orderId),
  summary: ({ orderId, actor, reason }) => `the parcel of order ${orderId} is lost, says ${actor}: ${reason}`,
};
