/** The notifications database. */
export const notificationsMigrations = [
  {
    name: '001-notifications',
    sql: `
create table notifications (
  order_id text collate "C" not null,
  kind text not null check (kind = 'order-placed'),
  customer_id text not null,
  sent_at timestamptz not null default now(),
  primary key (order_id, kind)
);
`,
  },
] as const;
