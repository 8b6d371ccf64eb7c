/** The statements of the orders database for orders that live for weeks, besides the guarded move. */

/** Opens an order that was created, with its coupon, at `$4`, in milliseconds: its deadlines run from then. No row: it is not created. */
export const OPEN_ORDER = `
with opened as (
  update orders set status = 'WAIT_PAY', coupon = $2, discount = least($3::integer, amount),
    moved_at = to_timestamp($4::double precision / 1000)
  where order_id = $1 and status = 'created'
  returning order_id, amount, discount, points_spent
)
select order_id as "orderId", amount - discount as "toPay", discount, points_spent as "pointsSpent" from opened`;

/** An order for whoever asks. No row: there is none, or it is of another scheme. */
export const LOOK = `
select order_id as "orderId", concat_ws('.', status, sub_state) as state, amount - discount as "toPay", discount, coupon,
  points_spent as "pointsSpent"
from orders where order_id = $1 and status = upper(status)`;

/** What the others are told of an order, and what its customer gets. */
export const ORDER_DETAILS = `
select order_id as "orderId", customer_id as "customerId", sku, units, amount, discount, coupon
from orders where order_id = $1`;

/** Gives back the points that an order has spent: its customer is locked by the entry. */
export const RETURN_POINTS = `
insert into point_entries (customer_id, kind, amount, order_id)
select customer_id, 'returned', points_spent, order_id from orders where order_id = $1 and points_spent > 0
returning amount::integer as "pointsReturned"`;
