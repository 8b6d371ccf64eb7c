import { ledgerFreezesSql, ledgerSql, type Ledger } from '../ledger.js';

/** Customers' money, in cents. */
export const walletsLedger: Ledger = {
  accounts: 'wallets',
  entries: 'wallet_entries',
  key: 'customer_id',
  balance: 'balance',
  kinds: { deposit: '+', capture: '-', refund: '+' },
  freezes: true,
};

/** The payments database: wallets and payments. Amounts are cents. */
export const paymentsMigrations = [
  { name: '001-wallets', sql: ledgerSql(walletsLedger) },
  {
    name: '002-payments',
    sql: `
create table payments (
  order_id text collate "C" primary key,
  payment_id text not null generated always as ('payment-' || order_id) stored,
  customer_id text collate "C" not null references wallets,
  amount integer not null check (amount >= 0),
  status text not null default 'captured' check (status in ('captured', 'refunded')),
  captured_at timestamptz not null default now(),
  refunded_at timestamptz,
  constraint payments_refunded check ((status = 'refunded') = (refunded_at is not null))
);

alter table wallet_entries add constraint wallet_entries_order foreign key (order_id) references payments;
`,
  },
  {
    name: '003-freezing',
    sql: `${ledgerFreezesSql(walletsLedger)}
-- A payment by try and confirm is frozen first, then captured; or released.
alter table payments drop constraint payments_status_check;
alter table payments add constraint payments_status_check
  check (status in ('frozen', 'captured', 'refunded', 'released'));
`,
  },
  {
    name: '004-frozen-since',
    sql: `create index payments_frozen on payments (captured_at) where status = 'frozen';`,
  },
  {
    name: '005-requested',
    sql: `
-- A payment that the customer is to make by a call of its own: requested first, without any money; then captured, or expired.
alter table payments drop constraint payments_status_check;
alter table payments add constraint payments_status_check
  check (status in ('frozen', 'requested', 'captured', 'refunded', 'released', 'expired'));
-- By when, and the order that it is for, as it is told to the others when it is paid.
alter table payments add column pay_by timestamptz;
alter table payments add column for_order json;
alter table payments add constraint payments_requested
  check (status not in ('requested', 'expired') or (pay_by is not null and for_order is not null));
`,
  },
] as const;
