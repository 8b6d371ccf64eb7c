import { ledgerSql, type Ledger } from '../ledger.js';

/** Copies of books. An entry's order is the gid of the purchase that took them. */
export const booksLedger: Ledger = {
  accounts: 'books',
  entries: 'book_entries',
  key: 'book',
  balance: 'copies',
  kinds: { delivered: '+', taken: '-' },
};

/** The warehouse's database: books in stock, and the parcels that were made of them. */
export const warehouseMigrations = [
  { name: '001-books', sql: ledgerSql(booksLedger) },
  {
    name: '002-parcels',
    sql: `
create table parcels (
  gid text collate "C" primary key,
  book text collate "C" not null references books,
  copies integer not null check (copies > 0),
  taken_at timestamptz not null default now()
);
alter table book_entries add constraint book_entries_parcel foreign key (order_id) references parcels;
create index book_entries_delivered on book_entries (book) where kind = 'delivered';

-- Deliveries beside what the bookstore opened with: each is entered once.
create table restocks (
  restock_id text collate "C" primary key,
  book text collate "C" not null references books,
  copies integer not null check (copies > 0),
  restocked_at timestamptz not null default now()
);`,
  },
  {
    name: '003-pick-jobs',
    sql: `
-- What is to be picked and packed for the shop's orders: one job an order. It only goes on; it may stop before it has left.
create table pick_jobs (
  order_id text collate "C" primary key,
  sku text not null,
  units integer not null check (units > 0),
  state text not null default 'WAIT_PICK'
    check (state in ('WAIT_PICK', 'PICKING', 'WAIT_PACK', 'PACKING', 'PACKED', 'SHIPPED', 'STOPPED')),
  received_at timestamptz not null default now(),
  moved_at timestamptz not null default now()
);`,
  },
] as const;
