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
] as const;
