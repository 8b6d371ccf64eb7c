/** The statements of the notifications database. */

/** Tells a customer that an order was placed. No row: the customer was told before. */
export const NOTIFY_PLACED = `
insert into notifications (order_id, kind, customer_id) values ($1, 'order-placed', $2)
on conflict (order_id, kind) do nothing
returning order_id`;
