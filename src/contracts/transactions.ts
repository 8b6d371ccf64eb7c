import { parserOf, type TransactionContract } from '../kit/client/index.js';
import { formatCents } from './money.js';
import { orderGid, placeOrderSchema, type PlacedOrder, type PlaceOrder, type PlaceOrderInput } from './place-order.js';

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
