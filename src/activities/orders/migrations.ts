import { machineMovesTable } from '../../kit/database/index.js';
import { ledgerKindsSql, ledgerSql, type Ledger } from '../ledger.js';

const firstKinds = { opening: '+', spent: '-', returned: '+' } as const;

/**
 * Customers' points. `opening`: given when the customer came; `spent` and `returned`: by an order and its cancel; `earned`: given for
 * an order that was placed.
 */
export const pointsLedger: Ledger = {
  accounts: 'customers',
  entries: 'point_entries',
  key: 'customer_id',
  balance: 'points',
  kinds: { ...firstKinds, earned: '+' },
};

/** The orders database: customers with their points, and orders. */
export const ordersMigrations = [
  { name: '001-points', sql: ledgerSql({ ...pointsLedger, kinds: firstKinds }) },
  {
    name: '002-orders',
    sql: `
create table orders (
  order_id text collate "C" primary key,
  customer_id text collate "C" not null references customers,
  sku text not null,
  units integer not null check (units > 0),
  amount integer not null check (amount >= 0),
  points_spent integer not null check (points_spent >= 0),
  status text not null default 'created' check (status in ('created', 'placed', 'cancelled')),
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  constraint orders_ended check ((status = 'created') = (ended_at is null))
);

alter table point_entries add constraint point_entries_order foreign key (order_id) references orders;
`,
  },
  {
    name: '003-recalls',
    sql: `
-- An order that is recalled stays placed until the carrier has said what became of its parcel.
alter table orders add column recalled_at timestamptz;
alter table orders drop constraint orders_status_check;
alter table orders add constraint orders_status_check
  check (status in ('created', 'placed', 'cancelled', 'returned', 'lost'));
alter table orders add constraint orders_recalled check (case status
  when 'placed' then true
  when 'returned' then recalled_at is not null
  when 'lost' then recalled_at is not null
  else recalled_at is null end);
`,
  },
  { name: '004-points-earned', sql: ledgerKindsSql(pointsLedger) },
  {
    name: '005-choreographed',
    sql: `
-- No orchestrator has it: its services follow each other's events.
alter table orders add column choreographed boolean not null default false;

-- What was heard of such orders, from every service, in the order in which it came. Nothing is ever changed here.
create table order_events (
  order_id text collate "C" not null,
  event_id text collate "C" not null,
  topic text not null,
  event json not null,
  heard_at timestamptz not null default now(),
  primary key (order_id, event_id)
);
`,
  },
  {
    name: '006-sales',
    sql: `
-- Orders of flash sales, by the ids of their purchases: a kind of their own, which waits for its payment and nothing else. A purchase
-- whose units were reclaimed before its order came is barred: a row that keeps the order out.
create table sale_orders (
  order_id text collate "C" primary key,
  sale text collate "C" not null,
  customer_id text collate "C" not null,
  units integer not null check (units > 0),
  cents bigint not null check (cents >= 0),
  status text not null default 'unpaid' check (status in ('unpaid', 'paid', 'cancelled', 'barred')),
  submitted_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  constraint sale_orders_ended check ((status = 'unpaid') = (ended_at is null))
) with (fillfactor = 80);

create trigger sale_orders_moves before update on sale_orders for each row
  when (old is distinct from new and (old.status <> 'unpaid' or new.status = 'barred'
    or (old.order_id, old.sale, old.customer_id, old.units, old.cents)
    is distinct from (new.order_id, new.sale, new.customer_id, new.units, new.cents)))
  execute function ledger_refuse('an order of a sale is paid or cancelled, once, and changes by nothing else');
create trigger sale_orders_stay before delete or truncate on sale_orders for each statement
  execute function ledger_refuse('orders of sales are not deleted');
`,
  },
  {
    name: '007-lifecycle',
    sql: `
-- Orders that live for weeks: a state machine moves them. Their states are written in capitals, those of all others are not.
alter table orders add column sub_state text;
-- How often it has moved, and when the last time: by the clock of what moves it; null, if it never has.
alter table orders add column version integer not null default 0;
alter table orders add column moved_at timestamptz;
-- Its coupon, and what that takes off the amount, in cents.
alter table orders add column coupon text collate "C";
alter table orders add column discount integer not null default 0;
alter table orders add constraint orders_discount
  check (discount between 0 and amount and (coupon is not null or discount = 0));

alter table orders drop constraint orders_status_check;
alter table orders add constraint orders_status_check check (status in (
  'created', 'placed', 'cancelled', 'returned', 'lost',
  'WAIT_PAY', 'PAID', 'WAIT_DELIVER', 'DELIVERED', 'REFUNDING', 'COMPLETED', 'CANCELLED', 'REFUNDED'));
alter table orders add constraint orders_sub_state check (sub_state is null or (status, sub_state) in (
  ('PAID', 'WAIT_PICK'), ('PAID', 'PICKING'), ('PAID', 'WAIT_PACK'), ('PAID', 'PACKING'), ('DELIVERED', 'ARRIVED'),
  ('REFUNDING', 'RECALLED'), ('REFUNDING', 'LOST'), ('REFUNDING', 'KEPT')));
alter table orders drop constraint orders_ended;
alter table orders add constraint orders_ended check (
  (status in ('created', 'WAIT_PAY', 'PAID', 'WAIT_DELIVER', 'DELIVERED', 'REFUNDING')) = (ended_at is null));

-- Every move of such an order: whence, whereto, for what, by whom. Nothing is ever changed here.
${machineMovesTable('order_moves')};
create trigger order_moves_append_only before update or delete or truncate on order_moves
  for each statement execute function ledger_refuse('order_moves is append-only');

-- Whoever moves an order to a final state has ended it.
create function orders_end() returns trigger language plpgsql as $$
begin
  new.ended_at = now();
  return new;
end $$;
create trigger orders_end before update on orders for each row
  when (old.status <> new.status and new.status in ('COMPLETED', 'CANCELLED', 'REFUNDED')) execute function orders_end();

create trigger orders_final before update on orders for each row
  when (old.status in ('COMPLETED', 'CANCELLED', 'REFUNDED')
    and (new.status, new.sub_state, new.ended_at) is distinct from (old.status, old.sub_state, old.ended_at))
  execute function ledger_refuse('an order that is COMPLETED, CANCELLED or REFUNDED stays so');
create trigger orders_one_scheme before update on orders for each row
  when ((old.status = upper(old.status)) <> (new.status = upper(new.status))
    and (old.status, new.status) is distinct from ('created', 'WAIT_PAY'))
  execute function ledger_refuse('an order with a lifecycle has none of the other states, and no other has one of its');
`,
  },
  {
    name: '008-refund-refused',
    sql: `
-- A refund that was refused: the order waits for the next try. And an order has moved_at from its opening on, by which its deadlines run.
alter table orders drop constraint orders_sub_state;
alter table orders add constraint orders_sub_state check (sub_state is null or (status, sub_state) in (
  ('PAID', 'WAIT_PICK'), ('PAID', 'PICKING'), ('PAID', 'WAIT_PACK'), ('PAID', 'PACKING'), ('DELIVERED', 'ARRIVED'),
  ('REFUNDING', 'RECALLED'), ('REFUNDING', 'LOST'), ('REFUNDING', 'KEPT'),
  ('REFUNDING', 'REFUSED'), ('REFUNDING', 'KEPT_REFUSED')));
`,
  },
  {
    name: '009-sale-payments',
    sql: `
-- Which payment has paid an order of a sale, as whoever took the money calls it: another one of the same order is refused.
alter table sale_orders add column payment_id text collate "C";
-- Since when it is known that its units had been released when it was paid: somebody else may have them.
alter table sale_orders add column torn_at timestamptz;
alter table sale_orders add constraint sale_orders_paid_by
  check ((payment_id is null and torn_at is null) or status = 'paid');
create index sale_orders_torn on sale_orders (torn_at) where torn_at is not null;

drop trigger sale_orders_moves on sale_orders;
create trigger sale_orders_moves before update on sale_orders for each row
  when ((old.order_id, old.sale, old.customer_id, old.units, old.cents, old.submitted_at)
      is distinct from (new.order_id, new.sale, new.customer_id, new.units, new.cents, new.submitted_at)
    or (old.status <> 'unpaid' and (old.status, old.ended_at, old.payment_id)
      is distinct from (new.status, new.ended_at, new.payment_id))
    or (old.status <> 'barred' and new.status = 'barred')
    or (old.torn_at is not null and new.torn_at is distinct from old.torn_at))
  execute function ledger_refuse('an order of a sale is paid or cancelled, once, and changes by nothing else');

drop trigger sale_orders_stay on sale_orders;
create trigger sale_orders_stay before delete on sale_orders for each row
  when (old.ended_at is null or old.ended_at > now() - interval '1 day')
  execute function ledger_refuse('orders of sales are not deleted before their end, and a day after it');
create trigger sale_orders_all_stay before truncate on sale_orders for each statement
  execute function ledger_refuse('orders of sales are not deleted all at once');
`,
  },
] as const;
