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
] as const;
