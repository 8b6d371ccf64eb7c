import type { PurchaseSide } from '../../contracts/bookstore.js';

/** The statements of a bank's purchases. A side is the name of a column: it comes from code. */

/** Part of the transaction that debits the account. */
export const RECORD = 'insert into purchases (gid, account, book, copies, cents) values ($1, $2, $3, $4, $5)';

const COLUMNS = `gid, account, book, copies, cents::text as cents, (extract(epoch from bought_at) * 1000)::float8 as since`;

/** `$1`: the gid. */
export const PURCHASE = `
select ${COLUMNS}, debit, warehouse, merchant, warehouse_by, warehouse_reason, merchant_by, merchant_reason
from purchases where gid = $1`;

/**
 * A side has done its part of these, `$1`; of those it had done nothing changes. The rows are locked in one order, as both sides may
 * acknowledge the same ones at once.
 */
export const acknowledge = (side: PurchaseSide) => `
with mine as (
  select gid from purchases where gid = any ($1::text[]) and ${side} = 'in progress' order by gid for no key update
)
update purchases set ${side} = 'done', ${side}_at = clock_timestamp() from mine where purchases.gid = mine.gid`;

/** A person, `$2`, gives up a side of `$1`, for the reason `$3`: of one that has ended nothing changes. */
export const giveUp = (side: PurchaseSide) => `
update purchases set ${side} = 'given up', ${side}_at = clock_timestamp(), ${side}_by = $2, ${side}_reason = $3
where gid = $1 and ${side} = 'in progress'`;

/** Of which of these, `$1`, a side is given up. */
export const givenUp = (side: PurchaseSide) => `
select gid from purchases where gid = any ($1::text[]) and ${side} = 'given up'`;

/** What a side has not acknowledged, the oldest first: behind the place and gid of `$1` and `$2`, at most `$3`. */
export const missed = (side: PurchaseSide) => `
select ${COLUMNS}, bought_at::text as place from purchases
where ${side} = 'in progress' and (bought_at, gid) > ($1::timestamptz, $2)
order by bought_at, gid limit $3`;

/** How many that are, up to 10,000. */
export const countMissed = (side: PurchaseSide) => `
select count(*)::integer as count from (select from purchases where ${side} = 'in progress' limit 10000) as missed`;

/** For the books: each purchase with what was debited for it, by its id, as `order_id`. `$3`, `$4`: what its gid begins with, its length and 1 more. */
export const PURCHASES = `
select substr(gid, $4::int) as order_id, book, copies, cents::text as cents, warehouse, merchant, (
  select -sum(amount) from entries
  where entries.gid = purchases.gid and entries.account = purchases.account and kind = 'debit'
)::text as debited
from purchases where gid > $3::text || $1 and starts_with(gid, $3) order by gid limit $2`;

/** What the merchant's account, `$5`, was credited for purchases, alike. */
export const CREDITED = `
select substr(gid, $4::int) as order_id, sum(amount)::text as cents from entries
where account = $5 and kind = 'credit' and gid > $3::text || $1 and starts_with(gid, $3)
group by gid order by gid limit $2`;

/** The gids of purchases of which the merchant has not acknowledged its part, or will never do it, after `$1`, at most `$2`. */
export const UNPAID = `select gid from purchases where merchant <> 'done' and gid > $1 order by gid limit $2`;
