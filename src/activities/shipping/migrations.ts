/** The shipping database. */
export const shippingMigrations = [
  {
    name: '001-shipments',
    sql: `
create table shipments (
  order_id text collate "C" primary key,
  shipment_id text not null generated always as ('shipment-' || order_id) stored,
  customer_id text not null,
  sku text not null,
  units integer not null check (units > 0),
  status text not null default 'dispatched' check (status = 'dispatched'),
  dispatched_at timestamptz not null default now()
);
`,
  },
  {
    name: '002-recalls',
    sql: `
-- A parcel that the carrier was asked for: moved once, to what the carrier says.
create table recalls (
  order_id text collate "C" primary key references shipments,
  status text not null default 'requested' check (status in ('requested', 'returned', 'lost')),
  reason text not null,
  actor text not null,
  requested_at timestamptz not null default now(),
  ended_at timestamptz,
  constraint recalls_ended check ((status = 'requested') = (ended_at is null))
);

-- What was to make good what cannot be undone, and could not be done itself: who said so, and why.
create table amends_log (
  order_id text collate "C" not null references recalls,
  amends text not null check (amends = 'recall'),
  who text not null,
  why text not null,
  logged_at timestamptz not null default now(),
  primary key (order_id, amends)
);
`,
  },
] as const;
