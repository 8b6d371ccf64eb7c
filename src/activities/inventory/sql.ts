/**
 * The statements of the inventory database. Each locks the stock first, then the reservation: one order of locks, so
 * that no two of them wait for each other. A sku's stock is one hot row, so the work on it is one statement.
 */

/** Makes sure of a sku's stock row, and locks it. */
export const LOCK_STOCK = `
insert into stock (sku) values ($1) on conflict (sku) do update set sku = excluded.sku`;

/** Delivers what is missing to make `$2` units delivered in all. Runs after {@link LOCK_STOCK}, to see what is there. */
export const DELIVER_MISSING = `
insert into stock_entries (sku, kind, amount)
select $1, 'delivered', $2::bigint - coalesce(sum(amount), 0)
from stock_entries where sku = $1 and kind = 'delivered'
having coalesce(sum(amount), 0) < $2::bigint`;

const RESERVING = `article as materialized (
  select sku, available from stock where sku = $2 for no key update
), reserved as (
  insert into reservations (order_id, sku, units)
  select $1, sku, $3::integer from article where available >= $3::integer
  on conflict (order_id) do nothing
  returning order_id, sku, units
), entered as (
  insert into stock_entries (sku, kind, amount, order_id)
  select sku, 'reserved', -units, order_id from reserved
)`;

/** Reserves units. No row: no such sku. `order_id` null: too few available, or reserved already. */
export const RESERVE = `
with ${RESERVING}
select article.available, reserved.order_id from article left join reserved on true`;

/** Reserves units, and says no more of why it could not than no row. */
export const RESERVE_AT_ONCE = { with: RESERVING, text: 'select order_id as "orderId" from reserved' };

const releasing = (from: string) => `article as materialized (
  select sku from ${from} where sku = $2 for no key update of stock
), released as (
  update reservations set status = 'released', released_at = now() from article
  where order_id = $1 and reservations.sku = article.sku and status = 'reserved'
  returning order_id, reservations.sku, units
), entered as (
  insert into stock_entries (sku, kind, amount, order_id)
  select sku, 'released', units, order_id from released
)`;

/** Releases what an order reserved. No row: there is nothing reserved. */
export const RELEASE = `
with ${releasing('stock')}
select units as released from released`;

/** The undo of a reservation, where it is this driver's. */
export const RELEASE_AT_ONCE = { with: releasing('applied, stock'), text: 'select units as released from released' };

const FREEZING = `article as materialized (
  select sku, available from stock where sku = $2 for no key update
), frozen as (
  insert into reservations (order_id, sku, units, status)
  select $1, sku, $3::integer, 'frozen' from article where available >= $3::integer
  on conflict (order_id) do nothing
  returning order_id, sku, units
), entered as (
  insert into stock_entries (sku, kind, amount, frozen, order_id)
  select sku, 'freeze', -units, units, order_id from frozen
)`;

/** Freezes units, as {@link RESERVE} reserves them. */
export const FREEZE = `
with ${FREEZING}
select article.available, frozen.order_id from article left join frozen on true`;
export const FREEZE_AT_ONCE = { with: FREEZING, text: 'select order_id as "orderId" from frozen' };

/** What becomes of frozen units. No row: there are none. */
const ending = (set: string, kind: string, amount: string) => `
with article as materialized (
  select sku from stock where sku = $2 for no key update
), ended as (
  update reservations set ${set} from article
  where order_id = $1 and reservations.sku = article.sku and status = 'frozen'
  returning order_id, reservations.sku, units
), entered as (
  insert into stock_entries (sku, kind, amount, frozen, order_id)
  select sku, '${kind}', ${amount}, -units, order_id from ended
)
select units from ended`;
export const RESERVE_FROZEN = ending(`status = 'reserved', reserved_at = now()`, 'use', '0');
export const THAW = ending(`status = 'released', released_at = now()`, 'thaw', 'units');

export const RESERVATION_STATUS = `select status from reservations where order_id = $1`;

/** Says of a reservation that it was made on account of an event. */
export const MARK_CHOREOGRAPHED = `update reservations set choreographed = true where order_id = $1`;

/** A reservation, and whether it was made on account of an event. */
export const RESERVATION = `select status, choreographed from reservations where order_id = $1`;
