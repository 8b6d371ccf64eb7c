import { pointsFor } from '../../contracts/money.js';
import { AWARD_POINTS } from '../orders/sql.js';
import { hears, type Reactions } from './react.js';

/**
 * Points by message: a customer earns one for each whole unit of money that was paid, when the order is placed. It is a consumer by
 * itself in the orders database: once an order by its inbox, and an order is not held up by it.
 */
export const pointsReactions: Reactions = hears('order.placed', async (sql, { order }) => {
  await sql(AWARD_POINTS, [order.orderId, order.customerId, pointsFor(order.amount)]);
});
