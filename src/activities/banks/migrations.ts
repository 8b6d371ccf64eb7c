/**
 * A bank's database: accounts, entries and holds. Amounts are cents.
 *
 * - A balance moves only by entries: a trigger moves it in the same transaction, and changing it directly is refused.
 * - Every movement is two entries that sum to 0: the account's, and one on the bank's own side, `clearing` (money on its way
 *   from or to another account) or `cash` (money that was paid in). Entries are append-only.
 * - The bank's own side has no balance that is kept: it is the sum of its entries. A row of it would be locked by every
 *   movement of the bank until that ends.
 * - What is held for a try is a part of the balance, and is spent by nothing else. It moves only by holds.
 * - An account may be locked by a transfer for as long as that takes: no other transfer moves its money meanwhile.
 * - An account with a hold is open: it can be neither frozen nor closed until each is confirmed or cancelled.
 * - What a two-phase commit is to move is announced by a row of its own, which says what has become of it.
 * - A purchase is a row that is written with its debit, and says which sides have done their part, and which a person has given up.
 */
export const bankMigrations = [
  {
    name: '001-accounts',
    sql: `
create table accounts (
  account text collate "C" primary key,
  status text not null default 'open' check (status in ('open', 'frozen', 'closed')),
  balance bigint not null default 0,
  -- The part of the balance that is held.
  held bigint not null default 0,
  -- How many holds there are on it, of both kinds.
  holds integer not null default 0,
  constraint accounts_not_negative check (balance >= 0),
  constraint accounts_held check (held between 0 and balance),
  constraint accounts_open_while_held check (holds = 0 or holds > 0 and status = 'open'),
  constraint accounts_not_own check (account not in ('clearing', 'cash'))
);

create table entries (
  gid text collate "C" not null,
  branch text collate "C" not null,
  kind text not null check (kind in ('opening', 'debit', 'credit', 'debit-undone', 'credit-undone')),
  -- Of a customer, or clearing or cash.
  account text collate "C" not null,
  amount bigint not null check (amount <> 0),
  entered_at timestamptz not null default now(),
  primary key (gid, branch, kind, account)
);
create index entries_account on entries (account);

create table holds (
  gid text collate "C" not null,
  branch text collate "C" not null,
  account text collate "C" not null references accounts,
  kind text not null check (kind in ('debit', 'credit')),
  amount bigint not null check (amount > 0),
  state text not null default 'held' check (state in ('held', 'confirmed', 'cancelled')),
  held_at timestamptz not null default now(),
  -- By then its transaction should have ended: until then it is nobody's worry.
  expires_at timestamptz not null,
  ended_at timestamptz,
  primary key (gid, branch),
  constraint holds_ended check ((state = 'held') = (ended_at is null))
);
create index holds_account on holds (account) where state = 'held';
create index holds_expiring on holds (expires_at) where state = 'held';`,
  },
  {
    name: '002-rules',
    sql: `
create function bank_refuse() returns trigger language plpgsql as $$
begin
  raise exception using errcode = 'restrict_violation', message = tg_argv[0];
end $$;

create function entries_move() returns trigger language plpgsql as $$
begin
  update accounts set balance = balance + new.amount where account = new.account;
  if not found then
    raise exception using errcode = 'foreign_key_violation', message = format('there is no account %s', new.account);
  end if;
  return null;
end $$;
create trigger entries_move after insert on entries
  for each row when (new.account not in ('clearing', 'cash')) execute function entries_move();

create function entries_balance() returns trigger language plpgsql as $$
begin
  if exists (
    select from inserted group by gid, branch, kind
    having count(*) <> 2 or sum(amount) <> 0 or count(*) filter (where account in ('clearing', 'cash')) <> 1
  ) then
    raise exception using errcode = 'restrict_violation',
      message = 'a movement is two entries that sum to 0, one of them of the bank itself: insert both in one statement';
  end if;
  return null;
end $$;
create trigger entries_balance after insert on entries
  referencing new table as inserted for each statement execute function entries_balance();

create trigger entries_append_only before update or delete or truncate on entries for each statement
  execute function bank_refuse('entries is append-only: insert a movement that corrects the other');

create function holds_move() returns trigger language plpgsql as $$
declare
  one integer := case new.state when 'held' then 1 else -1 end;
begin
  update accounts set
    holds = holds + one,
    held = held + case new.kind when 'debit' then one * new.amount else 0 end
  where account = new.account;
  return null;
end $$;
create trigger holds_begin after insert on holds for each row execute function holds_move();
create trigger holds_end after update on holds for each row execute function holds_move();

create trigger holds_begin_held before insert on holds for each row when (new.state <> 'held')
  execute function bank_refuse('a hold begins as held');
create trigger holds_end_once before update on holds for each row
  when (old.state <> 'held' or new.state = 'held'
    or (old.gid, old.branch, old.account, old.kind, old.amount) is distinct from
       (new.gid, new.branch, new.account, new.kind, new.amount))
  execute function bank_refuse('a hold changes only once: from held to confirmed or cancelled');
create trigger holds_kept before delete on holds for each row when (old.state = 'held')
  execute function bank_refuse('a hold that is held is not deleted: confirm or cancel it');
create trigger holds_not_truncated before truncate on holds for each statement
  execute function bank_refuse('holds is not truncated: a hold may be held');

create trigger accounts_open_empty before insert on accounts
  for each row when (new.balance <> 0 or new.held <> 0 or new.holds <> 0)
  execute function bank_refuse('an account starts with nothing: insert into entries to move money');
-- At depth 0 the change is a statement of its own; within the triggers above it is at depth 1.
create trigger accounts_moved_by_entries before update on accounts for each row
  when ((old.balance, old.held, old.holds) is distinct from (new.balance, new.held, new.holds) and pg_trigger_depth() = 0)
  execute function bank_refuse('a balance moves only through entries, and what is held through holds');
`,
  },
  {
    name: '003-transfers',
    sql: `
create table transfers (
  gid text collate "C" not null,
  branch text collate "C" not null,
  -- What leaves the accounts of this bank, and what comes in.
  debits bigint not null check (debits >= 0),
  credits bigint not null check (credits >= 0),
  state text not null default 'announced' check (state in ('announced', 'moved', 'dropped')),
  announced_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (gid, branch),
  constraint transfers_ended check ((state = 'announced') = (ended_at is null))
);
create index transfers_announced on transfers (announced_at) where state = 'announced';
create trigger transfers_end_once before update on transfers for each row
  when (old.state <> 'announced' or new.state = 'announced'
    or (old.gid, old.branch, old.debits, old.credits) is distinct from (new.gid, new.branch, new.debits, new.credits))
  execute function bank_refuse('a transfer changes only once: from announced to moved or dropped');`,
  },
  {
    name: '004-locks',
    sql: `alter table accounts add column locked_by text collate "C";`,
  },
  {
    name: '005-locked-since',
    sql: `
alter table accounts add column locked_at timestamptz;
update accounts set locked_at = now() where locked_by is not null;
create index accounts_locked on accounts (locked_at) where locked_by is not null;`,
  },
  {
    name: '006-purchases',
    sql: `
create table purchases (
  gid text collate "C" primary key,
  account text collate "C" not null references accounts,
  book text collate "C" not null,
  copies integer not null check (copies > 0),
  cents bigint not null check (cents > 0),
  -- The row is written with the debit.
  debit text not null default 'done' check (debit = 'done'),
  warehouse text not null default 'in progress' check (warehouse in ('in progress', 'done')),
  merchant text not null default 'in progress' check (merchant in ('in progress', 'done')),
  bought_at timestamptz not null default now(),
  warehouse_at timestamptz,
  merchant_at timestamptz,
  constraint purchases_acknowledged check (
    (warehouse = 'done') = (warehouse_at is not null) and (merchant = 'done') = (merchant_at is not null)
  )
);
create index purchases_warehouse on purchases (bought_at, gid) where warehouse = 'in progress';
create index purchases_merchant on purchases (bought_at, gid) where merchant = 'in progress';
create trigger purchases_go_on before update on purchases for each row
  when (old.warehouse = 'done' and new.warehouse <> 'done' or old.merchant = 'done' and new.merchant <> 'done'
    or (old.gid, old.account, old.book, old.copies, old.cents, old.bought_at) is distinct from
       (new.gid, new.account, new.book, new.copies, new.cents, new.bought_at))
  execute function bank_refuse('a purchase changes only by what is done of it: each side once, from in progress to done');
create trigger purchases_kept before delete on purchases for each row
  when (old.warehouse <> 'done' or old.merchant <> 'done')
  execute function bank_refuse('a purchase that is in progress is not deleted: the warehouse and the merchant have to acknowledge it');
create trigger purchases_not_truncated before truncate on purchases for each statement
  execute function bank_refuse('purchases is not truncated: one may be in progress');`,
  },
  {
    name: '007-purchases-given-up',
    sql: `
alter table purchases
  -- Who has given up a side, and why.
  add column warehouse_by text, add column warehouse_reason text,
  add column merchant_by text, add column merchant_reason text,
  drop constraint purchases_warehouse_check, drop constraint purchases_merchant_check, drop constraint purchases_acknowledged,
  add constraint purchases_sides check (
    warehouse in ('in progress', 'done', 'given up') and merchant in ('in progress', 'done', 'given up')
  ),
  add constraint purchases_acknowledged check (
    (warehouse = 'in progress') = (warehouse_at is null) and (merchant = 'in progress') = (merchant_at is null)
  ),
  add constraint purchases_given_up check (
    (warehouse = 'given up') = (warehouse_by is not null) and (warehouse_by is null) = (warehouse_reason is null) and
    (merchant = 'given up') = (merchant_by is not null) and (merchant_by is null) = (merchant_reason is null)
  );
drop trigger purchases_go_on on purchases;
create trigger purchases_go_on before update on purchases for each row
  when (
    old.warehouse <> 'in progress' and (old.warehouse, old.warehouse_by, old.warehouse_reason) is distinct from
      (new.warehouse, new.warehouse_by, new.warehouse_reason)
    or old.merchant <> 'in progress' and (old.merchant, old.merchant_by, old.merchant_reason) is distinct from
      (new.merchant, new.merchant_by, new.merchant_reason)
    or (old.gid, old.account, old.book, old.copies, old.cents, old.bought_at) is distinct from
       (new.gid, new.account, new.book, new.copies, new.cents, new.bought_at))
  execute function bank_refuse(
    'a purchase changes only by what is done of it: each side once, from in progress to done, or to given up');`,
  },
] as const;
