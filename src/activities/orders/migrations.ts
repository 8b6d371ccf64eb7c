import { ledgerSql, type Ledger } from '../ledger.js';

/** Customers' points. `opening`: given when the customer came; `spent` and `returned`: by an order and its cancel. */
export const pointsLedger: Ledger = {
  accounts: 'customers',
  entries: 'point_entries',
  key: 'customer_id',
  balance: 'points',
  kinds: { opening: '+', spent: '-', returned: '+' },
};

/** The orders database: customers with their points, and orders. */
export const ordersMigrations = [
  { name: '001-points', sql: ledgerSql(pointsLedger) },
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
] as const;
