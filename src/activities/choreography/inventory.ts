import { createStock } from '../inventory/index.js';
import { outboxes } from './outboxes.js';
import { orRefused, reactsTo, type Reactions } from './react.js';

/**
 * What the inventory does about events. States of an order's stock: none → reserved, or refused; reserved → released, when the order is
 * not paid.
 */
export const inventoryReactions: Reactions = {
  ...reactsTo('order.created', outboxes.inventory, async (sql, { order: { orderId, sku, units } }) => {
    const reserved = await orRefused(createStock(sql).reserve(orderId, sku, units));
    return 'refusal' in reserved ? { topic: 'stock.refused', refusal: reserved.refusal } : { topic: 'stock.reserved' };
  }),
  ...reactsTo('payment.refused', outboxes.inventory, async (sql, { order: { orderId, sku } }) => {
    await createStock(sql).release(orderId, sku);
    return { topic: 'stock.released' };
  }),
};
