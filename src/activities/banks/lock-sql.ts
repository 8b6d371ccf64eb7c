/** The statements of an account's lock. `$1` is the gid of the transfer, `$2` the account. */

/**
 * Locks an account, or tells what it is like. One that this transfer has locked is locked; one with holds is not free: their
 * confirms move its money.
 */
export const LOCK = `
with account as materialized (
  select account, status, balance - held as available, locked_by, holds from accounts where account = $2 for no key update
), locked as (
  update accounts set locked_by = $1, locked_at = coalesce(accounts.locked_at, now()) from account
  where accounts.account = account.account and account.status = 'open' and (account.locked_by = $1 or account.locked_by is null and account.holds = 0)
  returning 1
)
select status, available, locked_by as "lockedBy", holds, exists (select from locked) as done from account`;

/** Lets it go; another transfer's lock stays. */
export const UNLOCK = `update accounts set locked_by = null, locked_at = null where account = $2 and locked_by = $1`;
