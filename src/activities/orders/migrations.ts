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
] as const;
