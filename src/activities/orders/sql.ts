/**
 * The statements of the orders database. Each locks the customer first, then the order: one order of locks, so that no
 * two of them wait for each other.
 */

/** Opens customers with their points. A customer that is there is left as it is, so it can be run again. */
export const OPEN_CUSTOMERS = `
with opened as (
  insert into customers (customer_id)
  select given.customer_id from unnest($1::text[]) as given (customer_id) group by 1 order by 1
  on conflict do nothing
  returning customer_id
)
insert into point_entries (customer_id, kind, amount)
select customer_id, 'opening', $2::bigint from opened`;

const CREATING = `customer as materialized (
  select customer_id, points from customers where customer_id = $2 for no key update
), created as (
  insert into orders (order_id, customer_id, sku, units, amount, points_spent)
  select $1, customer_id, $3, $4::integer, $5::integer, least(points, $6::integer) from customer
  on conflict (order_id) do nothing
  returning order_id, customer_id, points_spent
), spent as (
  insert into point_entries (customer_id, kind, amount, order_id)
  select customer_id, 'spent', -points_spent, order_id from created where points_spent > 0
)`;

/** Creates an order and takes the points it spends. No row: no such customer. `points_spent` null: the order exists. */
export const CREATE_ORDER = `
with ${CREATING}
select created.points_spent from customer left join created on true`;

/** Creates an order, and says no more of why it could not than no row. */
export const CREATE_ORDER_AT_ONCE = {
  with: CREATING,
  text: 'select order_id as "orderId", points_spent as "pointsSpent" from created',
};

const cancelling = (from: string) => `customer as materialized (
  select customer_id from ${from} where customer_id = $2 for no key update of customers
), cancelled as (
  update orders set status = 'cancelled', ended_at = now() from customer
  where order_id = $1 and orders.customer_id = customer.customer_id and status = 'created'
  returning order_id, orders.customer_id, points_spent
), returned as (
  insert into point_entries (customer_id, kind, amount, order_id)
  select customer_id, 'returned', points_spent, order_id from cancelled where points_spent > 0
)`;

/** Cancels an order that is created, and gives its points back. No row: it is not created. */
export const CANCEL_ORDER = `
with ${cancelling('customers')}
select points_spent as "pointsReturned" from cancelled`;

/** The same as the undo of its creation, where that is this driver's. */
export const CANCEL_ORDER_AT_ONCE = {
  with: cancelling('applied, customers'),
  text: 'select points_spent as "pointsReturned" from cancelled',
};

/** Completes an order that is created. No row: it is not. */
export const COMPLETE_ORDER = {
  text: `
update orders set status = 'placed', ended_at = now()
where order_id = $1 and status = 'created'
returning order_id as "orderId"`,
};

/** Says of an order that no orchestrator has it: its services follow each other's events. */
export const MARK_CHOREOGRAPHED = `update orders set choreographed = true where order_id = $1`;

/** Gives a customer points for an order. */
export const AWARD_POINTS = `
with customer as materialized (
  select customer_id from customers where customer_id = $2 for no key update
)
insert into point_entries (customer_id, kind, amount, order_id) select customer_id, 'earned', $3::integer, $1 from customer`;

/** Gives a customer, `$2`, the points back that an order has spent, where it came to nothing. No row: it did not, or has spent none. */
export const RETURN_POINTS = `
with customer as materialized (
  select customer_id from customers where customer_id = $2 for no key update
)
insert into point_entries (customer_id, kind, amount, order_id)
select customer_id, 'returned', points_spent, order_id from orders join customer using (customer_id)
where order_id = $1 and status in ('cancelled', 'returned', 'CANCELLED', 'REFUNDED') and points_spent > 0
returning order_id`;

/** Marks a placed order as recalled, once. No row: it is not placed, or was recalled before. */
export const MARK_RECALLED = `
update orders set recalled_at = now()
where order_id = $1 and status = 'placed' and recalled_at is null
returning customer_id`;

/** Takes that mark back. No row: there is none, or the recall has ended. */
export const UNMARK_RECALLED = `
update orders set recalled_at = null
where order_id = $1 and status = 'placed' and recalled_at is not null
returning order_id`;

/** Ends a recalled order whose parcel came back, and gives its points back. No row: it is not placed and recalled. */
export const TAKE_BACK_ORDER = `
with customer as materialized (
  select customer_id from customers where customer_id = $2 for no key update
), taken as (
  update orders set status = 'returned', ended_at = now() from customer
  where order_id = $1 and orders.customer_id = customer.customer_id and status = 'placed' and recalled_at is not null
  returning order_id, orders.customer_id, points_spent
), returned as (
  insert into point_entries (customer_id, kind, amount, order_id)
  select customer_id, 'returned', points_spent, order_id from taken where points_spent > 0
)
select points_spent from taken`;

/** Ends a recalled order whose parcel is lost. No row: it is not placed and recalled. */
export const LOSE_ORDER = `
update orders set status = 'lost', ended_at = now()
where order_id = $1 and status = 'placed' and recalled_at is not null
returning order_id`;

export const ORDER_STATE = `select status, recalled_at is not null as recalled from orders where order_id = $1`;

export const HAS_CUSTOMER = `select 1 from customers where customer_id = $1`;
