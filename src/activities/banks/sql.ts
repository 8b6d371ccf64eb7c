import { HOLD_MINUTES } from '../expired.js';
import { MOST } from './refusal.js';

/**
 * The statements of a bank's database. `$1` is the gid and `$2` the branch; a movement is known by them and its kind.
 *
 * Each locks one account, and that first, or a hold and then its account: no two of them wait for each other.
 */

/** Opens accounts with their first money. One that is there is left as it is, so it can be run again. */
export const OPEN_ACCOUNTS = `
with opened as (
  insert into accounts (account)
  select given.account from unnest($1::text[]) as given (account) group by 1 order by 1
  on conflict do nothing
  returning account
)
insert into entries (gid, branch, kind, account, amount)
select 'opening', opened.account, 'opening', side.account, side.amount
from opened cross join lateral (values (opened.account, $2::bigint), ('cash', -$2::bigint)) as side (account, amount)
where $2::bigint > 0`;

/**
 * Sets an account's status, unless something is held for it. That is a column of the account, and not a look at the holds: a
 * statement that waited for the account sees the account as it is then, and everything else as it was before. It waits for so
 * many milliseconds, `$3`, and its transaction lasts for `$4`: nobody is there any more who would hear that it was set later.
 */
export const SET_STATUS = `
with limits as materialized (
  select set_config('lock_timeout', $3::text, true), set_config('transaction_timeout', $4::text, true)
)
update accounts set status = $2 from limits where account = $1 and (holds = 0 or $2 = 'open') returning account`;

const STATE = `status, balance, held, holds, balance - held as available, locked_by as "lockedBy",
  (extract(epoch from locked_at) * 1000)::float8 as "lockedAt"`;

/** An account as it is. What of it can be spent is `available`. */
export const ACCOUNT = `
select ${STATE} from accounts where account = $1`;

/** The first `$1` accounts by name. */
export const ACCOUNTS = `
select account, ${STATE} from accounts order by account limit $1`;

const LOCKED = `account as materialized (
  select account, status, balance, balance - held as available, locked_by from accounts where account = $3 for no key update
)`;

/** The two entries of a movement: `amount` is what the account gets. */
const entered = (from: string, kind: string, amount: string, where = 'true') => `entered as (
  insert into entries (gid, branch, kind, account, amount)
  select $1::text, $2::text, '${kind}', side.account, side.amount
  from ${from} cross join lateral (
    values (${from}.account, ${amount}), ('clearing', -(${amount}))
  ) as side (account, amount)
  where ${where}
  returning amount
)`;

const FREE = `(account.locked_by is null or account.locked_by = $1)`;
const OPEN = `account.status = 'open' and ${FREE}`;
/** For what is to come in: an account has no more than a number holds exactly. */
const ROOM = `${OPEN} and account.balance + $4::bigint <= ${MOST}`;
const ENOUGH = `${OPEN} and account.available >= $4::bigint`;

/** What the account was found as, and whether the work was done. No row: no such account. */
const foundOr = (work: string) =>
  `select account.status, account.available, account.locked_by as "lockedBy", exists (select from ${work}) as done from account`;

/** `$3`: the account, `$4`: the amount, here and below. */
const DEBITING = `${LOCKED}, ${entered('account', 'debit', '-$4::bigint', ENOUGH)}`;
export const DEBIT = `with ${DEBITING} ${foundOr('entered')}`;
export const DEBIT_AT_ONCE = { with: DEBITING, text: 'select $4::bigint as debited from entered limit 1' };

const CREDITING = `${LOCKED}, ${entered('account', 'credit', '$4::bigint', ROOM)}`;
export const CREDIT = `with ${CREDITING} ${foundOr('entered')}`;
export const CREDIT_AT_ONCE = { with: CREDITING, text: 'select $4::bigint as credited from entered limit 1' };

/** The account's own entry of a movement that was made. */
const moved = (kind: string, from: string) => `moved as materialized (
  select account, amount from ${from} where gid = $1 and branch = $2 and kind = '${kind}' and account <> 'clearing'
)`;

/** Pays back what was debited, whatever the account's status is by now. No row: nothing was. */
const payingBack = (from: string) => `${moved('debit', from)}, ${entered('moved', 'debit-undone', '-moved.amount')}`;
const PAID_BACK = 'select -amount as "paidBack" from moved where exists (select from entered)';
export const PAY_BACK = `with ${payingBack('entries')} ${PAID_BACK}`;
export const PAY_BACK_AT_ONCE = { with: payingBack('applied, entries'), text: PAID_BACK };

/** Takes back what was credited, if it is there to be taken: not spent, nor held. No row: nothing was credited. */
const takingBack = (from: string) => `${moved('credit', from)}, account as materialized (
  select accounts.account, accounts.balance - accounts.held as available, moved.amount
  from accounts join moved using (account) for no key update of accounts
), ${entered('account', 'credit-undone', '-account.amount', 'account.available >= account.amount')}`;
export const TAKE_BACK = `with ${takingBack('entries')}
select account.account, account.available, account.amount, exists (select from entered) as done from account`;
export const TAKE_BACK_AT_ONCE = {
  with: takingBack('applied, entries'),
  text: 'select amount as "takenBack" from account where exists (select from entered)',
};

/** Holds an amount of an account's money, or its place for an amount that is to come in. */
const holding = (kind: 'debit' | 'credit', where: string) => `${LOCKED}, placed as (
  insert into holds (gid, branch, account, kind, amount, expires_at)
  select $1::text, $2::text, account.account, '${kind}', $4::bigint, now() + interval '${HOLD_MINUTES} minutes'
  from account where ${where}
  returning amount
)`;
const HELD = 'select amount as held from placed';
const FREEZING = holding('debit', ENOUGH);
export const FREEZE = `with ${FREEZING} ${foundOr('placed')}`;
export const FREEZE_AT_ONCE = { with: FREEZING, text: HELD };
const EXPECTING = holding('credit', ROOM);
export const EXPECT = `with ${EXPECTING} ${foundOr('placed')}`;
export const EXPECT_AT_ONCE = { with: EXPECTING, text: HELD };

const ended = (state: string, kind: string) => `freed as (
  update holds set state = '${state}', ended_at = now()
  where gid = $1 and branch = $2 and kind = '${kind}' and state = 'held'
  returning account, amount
)`;

/** Moves what is held. The hold ends first: the money is free when it leaves. No row: nothing is held. */
const moving = (kind: string, amount: string) => `
with ${ended('confirmed', kind)}, ${entered('freed', kind, amount)}
select amount from freed where exists (select from entered)`;
export const CONFIRM_DEBIT = moving('debit', '-freed.amount');
export const CONFIRM_CREDIT = moving('credit', 'freed.amount');

/** Releases what is held. No row: nothing is. */
const releasing = (kind: string) => `with ${ended('cancelled', kind)} select amount from freed`;
export const RELEASE_DEBIT = releasing('debit');
export const RELEASE_CREDIT = releasing('credit');
