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
] as const;
