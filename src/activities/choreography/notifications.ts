import { tellCustomer } from '../notifications/index.js';
import { hears, type Reactions } from './react.js';

/** What notifications does about events: the customer is told of an order that was placed, once. */
export const notificationsReactions: Reactions = hears('order.placed', async (sql, { order }) => {
  await tellCustomer(sql, 'order-placed', order);
});
