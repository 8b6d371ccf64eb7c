import { MOST } from './refusal.js';

/** The statements of a bank's part in transfers by two-phase commit. `$1` is the gid, `$2` the branch unless it is said otherwise. */

/**
 * `$3`: what is to leave the bank's accounts, `$4`: what is to come in. It is looked for first: an insert would wait for the
 * prepared transaction that has changed the row.
 */
export const ANNOUNCE = `
insert into transfers (gid, branch, debits, credits)
select $1, $2, $3::bigint, $4::bigint where not exists (select from transfers where gid = $1 and branch = $2)
on conflict do nothing`;

/** Part of the transaction that moves it. No row: it was dropped. */
export const MOVED = `
update transfers set state = 'moved', ended_at = now() where gid = $1 and branch = $2 and state = 'announced'
returning gid`;

/** Once it is certain that nothing is moved. */
export const DROP = `
update transfers set state = 'dropped', ended_at = now() where gid = $1 and branch = $2 and state = 'announced'`;

/** That nothing of an announced transfer is moved, nor will be: its branch is barred, or was refused. */
export const ENDED = `exists (
  select from backstitch.guard as g
  where g.gid = transfers.gid and g.branch = transfers.branch and g.phase = 1 and g.outcome in ('barred', 'rejected')
)`;

/**
 * Drops what others than this bank have ended: what is prepared is rolled back by a scan too, which knows of no transfers. It waits
 * for nobody's lock.
 */
export const DROP_ENDED = `
update transfers set state = 'dropped', ended_at = now() where (gid, branch) in (
  select gid, branch from transfers where state = 'announced' and ${ENDED} for update skip locked
)`;

/**
 * The movements that are asked, each with its account; and those that cannot be made. `$1` is the gid; each has its name in `$2`,
 * debit or credit in `$3`, its account in `$4`, each once, and its amount in `$5`.
 */
const checked = (lock = '') => `
with asked as materialized (
  select * from unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) as asked (leg, kind, account, amount)
), account as materialized (
  select account, status, balance, balance - held as available, locked_by from accounts
  where account in (select asked.account from asked) order by account ${lock}
), wrong as materialized (
  select asked.leg, account.status, account.available, account.locked_by
  from asked left join account using (account)
  where account.status is distinct from 'open' or account.locked_by <> $1
    or asked.kind = 'debit' and account.available < asked.amount
    or asked.kind = 'credit' and account.balance + asked.amount > ${MOST}
)`;

/**
 * Looks whether money of several accounts could be moved. It waits for nobody's lock.
 *
 * @returns the movements that cannot be made, with the account as it is
 */
export const LOOK = `${checked()} select leg, status, available, locked_by as "lockedBy" from wrong`;

/**
 * Moves it. The accounts are locked in their order, so that no two transfers wait for each other. Where one
 * cannot be made nothing is moved.
 */
export const MOVE = `${checked('for no key update')}, entered as (
  insert into entries (gid, branch, kind, account, amount)
  select $1, asked.leg, asked.kind, side.account, side.amount
  from asked
  cross join lateral (select case asked.kind when 'debit' then -asked.amount else asked.amount end as amount) as signed
  cross join lateral (values (asked.account, signed.amount), ('clearing', -signed.amount)) as side (account, amount)
  where not exists (select from wrong)
)
select leg, status, available, locked_by as "lockedBy" from wrong`;
