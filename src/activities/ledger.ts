/**
 * A ledger: accounts whose balance is the sum of their entries, kept so by the database itself.
 *
 * - A balance moves only by inserting an entry: a trigger moves it in the same transaction, and changing it directly is
 *   refused, as is opening an account with anything but 0.
 * - Entries are append-only: update, delete and truncate are refused.
 * - No balance is ever negative, and each kind of entry has its sign.
 * - An order has at most one entry of each kind.
 * - A ledger that freezes has a second figure for each account: what is frozen of it for orders that are not decided. `freeze`
 *   moves an amount there from the balance, `thaw` moves it back, and `use` takes it away.
 */

/** A ledger's tables and columns. All names are trusted: they come from code. */
export interface Ledger {
  readonly accounts: string;
  readonly entries: string;
  /** The accounts' key, such as `customer_id`; entries refer to it. */
  readonly key: string;
  /** The accounts' balance, such as `balance`. */
  readonly balance: string;
  /** The kinds of entries, each with the sign of its amounts (0 is allowed). */
  readonly kinds: Readonly<Record<string, '+' | '-'>>;
  /** A part of a balance can be frozen: accounts and entries have a column `frozen`. */
  readonly freezes?: true;
}

/** The SQL that creates a ledger's tables with their rules: a migration. */
export function ledgerSql({ accounts, entries, key, balance, kinds }: Ledger): string {
  return `
create table ${accounts} (
  ${key} text collate "C" primary key,
  ${balance} bigint not null default 0,
  constraint ${accounts}_not_negative check (${balance} >= 0)
);

create table ${entries} (
  entry_id bigint generated always as identity primary key,
  ${key} text collate "C" not null references ${accounts},
  kind text not null,
  amount bigint not null,
  order_id text collate "C",
  entered_at timestamptz not null default now(),
  constraint ${entries}_signed check (case kind ${signsOf(kinds)} else false end),
  constraint ${entries}_once unique (order_id, kind)
);

create or replace function ledger_refuse() returns trigger language plpgsql as $$
begin
  raise exception using errcode = 'restrict_violation', message = tg_argv[0];
end $$;

create function ${entries}_move() returns trigger language plpgsql as $$
begin
  update ${accounts} set ${balance} = ${balance} + new.amount where ${key} = new.${key};
  return null;
end $$;

create trigger ${entries}_move after insert on ${entries}
  for each row when (new.amount <> 0) execute function ${entries}_move();

create trigger ${accounts}_open_empty before insert on ${accounts}
  for each row when (new.${balance} <> 0)
  execute function ledger_refuse('a row of ${accounts} starts with ${balance} 0: insert into ${entries} to move it');

-- At depth 0 the change is a statement of its own; within the trigger above it is at depth 1.
create trigger ${accounts}_moved_by_entries before update on ${accounts}
  for each row when (old.${balance} is distinct from new.${balance} and pg_trigger_depth() = 0)
  execute function ledger_refuse('${accounts}.${balance} moves only through ${entries}: insert an entry');

create trigger ${entries}_append_only before update or delete or truncate on ${entries}
  for each statement
  execute function ledger_refuse('${entries} is append-only: insert an entry that corrects the other');
`;
}

function signsOf(kinds: Ledger['kinds']): string {
  return Object.entries(kinds)
    .map(([kind, sign]) => `when '${kind}' then amount ${sign === '+' ? '>=' : '<='} 0`)
    .join(' ');
}

/** The SQL that gives a ledger without freezing the kinds that it has now: a migration after that of {@link ledgerSql}. */
export function ledgerKindsSql({ entries, kinds }: Ledger): string {
  return `
alter table ${entries} drop constraint ${entries}_signed;
alter table ${entries} add constraint ${entries}_signed check (case kind ${signsOf(kinds)} else false end);
`;
}

/** The same of a ledger that freezes: a migration after that of {@link ledgerFreezesSql}. */
export function freezingKindsSql({ entries, kinds }: Ledger): string {
  return `
alter table ${entries} drop constraint ${entries}_signed;
alter table ${entries} add constraint ${entries}_signed check (case kind ${freezingSignsOf(kinds)});
`;
}

function freezingSignsOf(kinds: Ledger['kinds']): string {
  const signs = Object.entries(kinds).map(
    ([kind, sign]) => `when '${kind}' then amount ${sign === '+' ? '>=' : '<='} 0 and frozen = 0`,
  );
  return `${signs.join(' ')}
  when 'freeze' then amount <= 0 and frozen = -amount
  when 'thaw' then amount >= 0 and frozen = -amount
  when 'use' then amount = 0 and frozen <= 0
  else false end`;
}

/** The SQL that lets a ledger freeze: a migration after that of {@link ledgerSql}. */
export function ledgerFreezesSql({ accounts, entries, key, balance, kinds }: Ledger): string {
  return `
alter table ${accounts} add column frozen bigint not null default 0
  constraint ${accounts}_frozen_not_negative check (frozen >= 0);
-- What an entry moves to the frozen part, or takes from it.
alter table ${entries} add column frozen bigint not null default 0;
alter table ${entries} drop constraint ${entries}_signed;
alter table ${entries} add constraint ${entries}_signed check (case kind ${freezingSignsOf(kinds)});

create or replace function ${entries}_move() returns trigger language plpgsql as $$
begin
  update ${accounts} set ${balance} = ${balance} + new.amount, frozen = frozen + new.frozen where ${key} = new.${key};
  return null;
end $$;

create or replace trigger ${entries}_move after insert on ${entries}
  for each row when (new.amount <> 0 or new.frozen <> 0) execute function ${entries}_move();

create or replace trigger ${accounts}_open_empty before insert on ${accounts}
  for each row when (new.${balance} <> 0 or new.frozen <> 0)
  execute function ledger_refuse('a row of ${accounts} starts with ${balance} and frozen 0: insert into ${entries} to move them');

create or replace trigger ${accounts}_moved_by_entries before update on ${accounts}
  for each row when ((old.${balance}, old.frozen) is distinct from (new.${balance}, new.frozen) and pg_trigger_depth() = 0)
  execute function ledger_refuse('a row of ${accounts} moves only through ${entries}: insert an entry');
`;
}

/**
 * The accounts of a ledger that break its rules, the first `$1` of them by key, with the count of all. `name` is the figure that is
 * wrong: the balance, or what is frozen.
 */
export function imbalancesSql({ accounts, entries, key, balance, freezes }: Ledger): string {
  const moved = [`sum(amount) as ${balance}`, ...(freezes ? ['sum(frozen) as frozen'] : [])];
  const figures = [
    `('${balance}', ${accounts}.${balance}, sums.${balance})`,
    // Of an account that is not there one figure tells it.
    ...(freezes ? [`('frozen', coalesce(${accounts}.frozen, sums.frozen), sums.frozen)`] : []),
  ];
  return `
select ${key} as key, name, coalesce(found::text, 'no account') as found, coalesce(entered, 0)::text as entered,
  (count(*) over ())::int as count
from ${accounts}
full join (
  select ${key}, ${moved.join(', ')} from ${entries} group by ${key}
) as sums using (${key})
cross join lateral (values ${figures.join(', ')}) as checked (name, found, entered)
where found is distinct from coalesce(entered, 0) or found < 0
order by key, name limit $1`;
}

/** The net amounts of each order's entries, after order `$1` in key order, at most `$2`. */
export function entriesByOrderSql({ entries, freezes }: Ledger): string {
  return `
select order_id, sum(amount) as net, ${freezes ? 'sum(frozen)' : '0'} as frozen
from ${entries} where order_id > $1
group by order_id order by order_id limit $2`;
}

/** What came in from outside, not by an order (`opened`), what all accounts hold (`held`), and what of them is frozen. */
export function totalsSql({ accounts, entries, balance, freezes }: Ledger): string {
  return `
select
  (select coalesce(sum(amount), 0) from ${entries} where order_id is null) as opened,
  (select coalesce(sum(${balance}), 0) from ${accounts}) as held,
  (select coalesce(sum(${freezes ? 'frozen' : '0'}), 0) from ${accounts}) as frozen`;
}
