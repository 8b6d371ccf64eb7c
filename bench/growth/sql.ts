/** The tables and statements of the sagas that grow: accounts, and an entry for each change of one. */

/**
 * Entries are not unique by step, on purpose: an effect that happens twice is to be seen in the books, not refused by the
 * table.
 */
export const TABLES = `
create table if not exists bench_accounts (
  account text primary key,
  balance bigint not null check (balance >= 0)
);
create table if not exists bench_entries (
  entry_id bigint generated always as identity primary key,
  saga text not null,
  step text not null,
  account text not null,
  amount bigint not null
)`;

/** Opens accounts: `$1` names, `$2` what each has. Those that are there are left alone. */
export const OPEN = `
insert into bench_accounts (account, balance)
select name, $2::bigint from unnest($1::text[]) as given (name) on conflict do nothing`;

/** Takes `$4` from account `$3`. No row: it has less. */
export const TAKE = `
with taken as (
  update bench_accounts set balance = balance - $4::bigint where account = $3 and balance >= $4::bigint
  returning balance
), entered as (
  insert into bench_entries (saga, step, account, amount) select $1, $2, $3, -$4::bigint from taken
)
select balance::float8 as balance from taken`;

/** Gives `$4` back to account `$3`. */
export const GIVE_BACK = `
with given as (
  update bench_accounts set balance = balance + $4::bigint where account = $3 returning 1
)
insert into bench_entries (saga, step, account, amount) select $1, $2, $3, $4::bigint from given
returning 1`;

export const FORGET = 'truncate bench_entries';

/** All accounts, and how many entries there are. */
export const ACCOUNTS = `
select account, balance::float8 as value from bench_accounts
union all
select 'entries', count(*)::float8 from bench_entries where amount < 0
union all
select 'entries given back', count(*)::float8 from bench_entries where amount > 0`;

/** Steps that took, or gave back, more than once, or gave back what was not taken: the first five. */
export const DOUBLED = `
select saga, step from bench_entries group by saga, step
having count(*) filter (where amount < 0) <> 1 or count(*) filter (where amount > 0) > 1
order by 1, 2 limit 5`;
