import { PAYMENT_DUE } from '../../contracts/events.js';
import { createOutbox } from '../../kit/database/index.js';

/**
 * Who hears of what: each service has an outbox in its own database, and each of those that react to it a stream of its own.
 *
 * The projection hears of every event; of `payment.due`, which is no event, only payments itself does, and of what the warehouse is to do
 * only that. Whoever else is to
 * hear of orders is one more subscriber here.
 */

export const outboxes = {
  orders: createOutbox({
    name: 'orders',
    subscribers: {
      inventory: ['order.created'],
      notifications: ['order.placed'],
      points: ['order.placed'],
      verifier: ['order.created', 'order.placed', 'order.cancelled'],
      projection: ['order.created', 'order.placed', 'order.cancelled'],
      // Of orders that live for weeks: what the warehouse is to do.
      warehouse: ['order.paid', 'order.moved'],
    },
  }),
  inventory: createOutbox({
    name: 'inventory',
    subscribers: { payments: ['stock.reserved'], orders: ['stock.refused', 'stock.released'], projection: '*' },
  }),
  payments: createOutbox({
    name: 'payments',
    subscribers: {
      shipping: ['payment.captured'],
      inventory: ['payment.refused'],
      payments: [PAYMENT_DUE],
      projection: ['payment.requested', 'payment.captured', 'payment.refused'],
    },
  }),
  shipping: createOutbox({ name: 'shipping', subscribers: { orders: ['parcel.dispatched'], projection: '*' } }),
} as const;

export type OutboxName = keyof typeof outboxes;
