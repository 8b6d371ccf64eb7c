/** The statements of the notifications database. */

/** What a customer is told of an order, each kind once. */
export type Kind = 'order-placed' | 'order-received' | 'order-undone' | 'order-recalled';

/** Tells a customer something of an order. No row: the customer was told before. */
export const NOTIFY = {
  text: `
insert into notifications (order_id, kind, customer_id) values ($1, $2, $3)
on conflict (order_id, kind) do nothing
returning order_id as "orderId"`,
};
