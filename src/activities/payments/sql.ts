/**
 * The statements of the payments database. Each locks the wallet first, then the payment: one order of locks, so that
 * no two of them wait for each other.
 */

/** Opens wallets with their deposit. A wallet that is there is left as it is, so it can be run again. */
export const OPEN_WALLETS = `
with opened as (
  insert into wallets (customer_id)
  select given.customer_id from unnest($1::text[]) as given (customer_id) group by 1 order by 1
  on conflict do nothing
  returning customer_id
)
insert into wallet_entries (customer_id, kind, amount)
select customer_id, 'deposit', $2::bigint from opened`;

const CHARGING = `wallet as materialized (
  select customer_id, balance from wallets where customer_id = $2 for no key update
), paid as (
  insert into payments (order_id, customer_id, amount)
  select $1, customer_id, $3::integer from wallet where balance >= $3::integer
  on conflict (order_id) do nothing
  returning order_id, payment_id, customer_id, amount
), entered as (
  insert into wallet_entries (customer_id, kind, amount, order_id)
  select customer_id, 'capture', -amount, order_id from paid
)`;

/** Charges a wallet. No row: no such wallet. `payment_id` null: too little in it, or the order is paid already. */
export const CHARGE = `
with ${CHARGING}
select wallet.balance, paid.payment_id from wallet left join paid on true`;

/** Charges a wallet, and says no more of why it could not than no row. */
export const CHARGE_AT_ONCE = { with: CHARGING, text: 'select payment_id as "paymentId" from paid' };

const refunding = (from: string) => `wallet as materialized (
  select customer_id from ${from} where customer_id = $2 for no key update of wallets
), refunded as (
  update payments set status = 'refunded', refunded_at = now() from wallet
  where order_id = $1 and payments.customer_id = wallet.customer_id and status = 'captured'
  returning order_id, payments.customer_id, amount
), entered as (
  insert into wallet_entries (customer_id, kind, amount, order_id)
  select customer_id, 'refund', amount, order_id from refunded
)`;

/** Refunds a captured payment. No row: there is none. */
export const REFUND = `
with ${refunding('wallets')}
select amount as refunded from refunded`;

/** The undo of a charge, where it is this driver's. */
export const REFUND_AT_ONCE = { with: refunding('applied, wallets'), text: 'select amount as refunded from refunded' };

const FREEZING = `wallet as materialized (
  select customer_id, balance from wallets where customer_id = $2 for no key update
), frozen as (
  insert into payments (order_id, customer_id, amount, status)
  select $1, customer_id, $3::integer, 'frozen' from wallet where balance >= $3::integer
  on conflict (order_id) do nothing
  returning order_id, payment_id, customer_id, amount
), entered as (
  insert into wallet_entries (customer_id, kind, amount, frozen, order_id)
  select customer_id, 'freeze', -amount, amount, order_id from frozen
)`;

/** Freezes a part of a wallet, as {@link CHARGE} charges it. */
export const FREEZE = `
with ${FREEZING}
select wallet.balance, frozen.payment_id from wallet left join frozen on true`;
export const FREEZE_AT_ONCE = { with: FREEZING, text: 'select payment_id as "paymentId" from frozen' };

/** What becomes of a frozen payment. No row: there is none. */
const ending = (set: string, kind: string, amount: string) => `
with wallet as materialized (
  select customer_id from wallets where customer_id = $2 for no key update
), ended as (
  update payments set ${set} from wallet
  where order_id = $1 and payments.customer_id = wallet.customer_id and status = 'frozen'
  returning order_id, payments.customer_id, amount
), entered as (
  insert into wallet_entries (customer_id, kind, amount, frozen, order_id)
  select customer_id, '${kind}', ${amount}, -amount, order_id from ended
)
select amount from ended`;
export const CAPTURE_FROZEN = ending(`status = 'captured', captured_at = now()`, 'use', '0');
export const THAW = ending(`status = 'released'`, 'thaw', 'amount');

/**
 * Asks a customer for a payment, to be made within `$4` milliseconds: no money moves. No row: no such wallet. `payment_id` null: there is
 * a payment already.
 */
export const REQUEST_PAYMENT = `
with wallet as materialized (
  select customer_id from wallets where customer_id = $2 for no key update
), requested as (
  insert into payments (order_id, customer_id, amount, status, pay_by, for_order)
  select $1, customer_id, $3::integer, 'requested', clock_timestamp() + $4::float8 * interval '1 millisecond', $5::json
  from wallet
  on conflict (order_id) do nothing
  returning order_id, payment_id, pay_by
)
select requested.payment_id, ceil(extract(epoch from requested.pay_by) * 1000)::float8 as pay_by
from wallet left join requested on true`;

/** Makes a payment that was requested. No row: there is none. `payment_id` null: too little in the wallet, or it is requested no more. */
export const PAY_REQUESTED = `
with wallet as materialized (
  select customer_id, balance from wallets
  where customer_id = (select customer_id from payments where order_id = $1) for no key update
), paid as (
  update payments set status = 'captured', captured_at = now() from wallet
  where order_id = $1 and payments.customer_id = wallet.customer_id and status = 'requested' and balance >= amount
  returning order_id, payment_id, payments.customer_id, amount
), entered as (
  insert into wallet_entries (customer_id, kind, amount, order_id)
  select customer_id, 'capture', -amount, order_id from paid
)
select wallet.balance, paid.payment_id, payments.payment_id as requested_id, payments.customer_id, payments.amount, payments.for_order
from wallet join payments on payments.order_id = $1 left join paid on true`;

/** Gives up waiting for a payment. No row: it is requested no more. */
export const EXPIRE_PAYMENT = `
update payments set status = 'expired' where order_id = $1 and status = 'requested' returning order_id`;

export const PAYMENT_STATUS = `select status from payments where order_id = $1`;
