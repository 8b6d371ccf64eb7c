import type { ChoreographedOrder } from '../../contracts/events.js';
import { Rejection, type Sql } from '../../kit/database/index.js';
import { cancelOrder, placeOrder } from '../orders/index.js';
import { outboxes } from './outboxes.js';
import { reactsTo, type Reactions, type Told } from './react.js';

/**
 * What the orders service does about events. States of an order: created → placed, when its parcel has left; created → cancelled, when
 * its stock was refused, or is back. Its points go back with the cancel.
 */
export const ordersReactions: Reactions = {
  ...reactsTo('stock.refused', outboxes.orders, (sql, { order }) => cancel(sql, order)),
  ...reactsTo('stock.released', outboxes.orders, (sql, { order }) => cancel(sql, order)),
  ...reactsTo('parcel.dispatched', outboxes.orders, async (sql, { order }) => {
    await placeOrder(sql, order.orderId);
    return { topic: 'order.placed' };
  }),
};

async function cancel(sql: Sql, order: ChoreographedOrder): Promise<Told> {
  const cancelled = await cancelOrder(sql, order);
  if (cancelled) return { topic: 'order.cancelled', pointsReturned: cancelled.pointsReturned };
  throw new Rejection('OrderNotCreated', `order ${order.orderId} cannot be cancelled: it is not created any more`);
}
