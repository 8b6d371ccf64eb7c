import { freezingKindsSql, ledgerFreezesSql, ledgerSql, type Ledger } from '../ledger.js';

const firstKinds = { delivered: '+', reserved: '-', released: '+' } as const;

/** Units of stock. `sale` and `unsold`: taken for a flash sale, and what it did not sell. */
export const stockLedger: Ledger = {
  accounts: 'stock',
  entries: 'stock_entries',
  key: 'sku',
  balance: 'available',
  kinds: { ...firstKinds, sale: '-', unsold: '+' },
  freezes: true,
};

const firstLedger: Ledger = { ...stockLedger, kinds: firstKinds };

/** The inventory database: stock, and what orders reserve of it. */
export const inventoryMigrations = [
  { name: '001-stock', sql: ledgerSql(firstLedger) },
  {
    name: '002-reservations',
    sql: `
create table reservations (
  order_id text collate "C" primary key,
  sku text collate "C" not null references stock,
  units integer not null check (units > 0),
  status text not null default 'reserved' check (status in ('reserved', 'released')),
  reserved_at timestamptz not null default now(),
  released_at timestamptz,
  constraint reservations_released check ((status = 'released') = (released_at is not null))
);

alter table stock_entries add constraint stock_entries_order foreign key (order_id) references reservations;

create index stock_entries_delivered on stock_entries (sku) where kind = 'delivered';
`,
  },
  {
    name: '003-freezing',
    sql: `${ledgerFreezesSql(firstLedger)}
-- A reservation by try and confirm is frozen first, then reserved; or released.
alter table reservations drop constraint reservations_status_check;
alter table reservations add constraint reservations_status_check
  check (status in ('frozen', 'reserved', 'released'));
`,
  },
  {
    name: '004-frozen-since',
    sql: `create index reservations_frozen on reservations (reserved_at) where status = 'frozen';`,
  },
  {
    name: '005-choreographed',
    sql: `
-- Reserved on account of an event. Another transaction, of another scheme, may have asked for an order of the same id.
alter table reservations add column choreographed boolean not null default false;
`,
  },
  { name: '006-sales', sql: freezingKindsSql(stockLedger) },
] as const;
