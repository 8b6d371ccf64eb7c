import { createStock } from '../inventory/index.js';
import { MARK_CHOREOGRAPHED } from '../inventory/sql.js';
import { outboxes } from './outboxes.js';
import { orRefused, reactsTo, type Reactions } from './react.js';

/**
 * What the inventory does about events. States of an order's stock: none → reserved, or refused; reserved → released, when the order is
 * not paid.
 */
export const inventoryReactions: Reactions = {
  ...reactsTo('order.created', outboxes.inventory, async (sql, { order: { orderId, sku, units } }) => {
    const reserved = await orRefused(createStock(sql).reserve(orderId, sku, units));
    if ('refusal' in reserved) return { topic: 'stock.refused', refusal: reserved.refusal };
    await sql(MARK_CHOREOGRAPHED, [orderId]);
    return { topic: 'stock.reserved' };
  }),
  ...reactsTo('payment.refused', outboxes.inventory, async (sql, { order: { orderId, sku } }) => {
    await createStock(sql).release(orderId, sku);
    return { topic: 'stock.released' };
  }),
};
