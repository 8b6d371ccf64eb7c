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
  {
    name: '002-kinds',
    sql: `
-- received: we have your order; undone: the order that we have told you of is cancelled; recalled: send it back, please
alter table notifications drop constraint notifications_kind_check;
alter table notifications add constraint notifications_kind_check
  check (kind in ('order-placed', 'order-received', 'order-undone', 'order-recalled'));
`,
  },
] as const;
