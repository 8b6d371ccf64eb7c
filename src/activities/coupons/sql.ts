import { expiredSql } from '../expired.js';

/** The statements of the coupons database: each moves one coupon, where it is as it should be. */

/** Opens coupons, one for each customer. One that is there is left as it is, so it can be run again. */
export const OPEN_COUPONS = `
insert into coupons (code, customer_id, amount_off)
select given.code, given.customer_id, $3::integer from unnest($1::text[], $2::text[]) as given (code, customer_id)
order by 1 on conflict do nothing`;

/** Holds a coupon for an order. No row: there is no such coupon of the customer, it is not available, or the order has another. */
export const HOLD = `
update coupons set status = 'HELD', order_id = $2, held_at = now()
where code = $1 and customer_id = $3 and status = 'AVAILABLE'
  and not exists (select from coupons as other where other.order_id = $2)
returning amount_off as "amountOff"`;

/** Uses the coupon that is held for an order. No row: it is not held for it. */
export const USE = `
update coupons set status = 'USED' where code = $1 and order_id = $2 and status = 'HELD' returning code`;

const available = (from: string) => `
update coupons set status = 'AVAILABLE', order_id = null, held_at = null
where code = $1 and order_id = $2 and status = '${from}' returning code`;

/** Lets go of a coupon that is held for an order. No row: it is not. */
export const RELEASE = available('HELD');
/** Gives back a coupon that an order has used. No row: it has not. */
export const GIVE_BACK = available('USED');

export const COUPON = `select customer_id, status, order_id from coupons where code = $1`;
export const COUPON_OF = `select code from coupons where order_id = $1`;

/** How long a coupon may be held until it is looked whether anybody still has its order, in minutes. */
const HELD_MINUTES = 10;

/** What is held for orders, by `expiredBy`. `$5`: what the gid of an order begins with. */
export const HELD_COUPONS = expiredSql(`
  select $5::text || order_id as gid, 'coupon ' || code as branch,
    held_at + interval '${HELD_MINUTES} minutes' as expires_at
  from coupons where status = 'HELD'`);
