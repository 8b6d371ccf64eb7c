/** The statements of the warehouse's database. Each locks the book first: a book is one hot row, so the work on it is one statement. */

/** Makes sure of a book's row, and locks it. */
export const LOCK_BOOK = 'insert into books (book) values ($1) on conflict (book) do update set book = excluded.book';

/** Delivers what is missing to make `$2` copies delivered in all. Runs after {@link LOCK_BOOK}, to see what is there. */
export const DELIVER_MISSING = `
insert into book_entries (book, kind, amount)
select $1, 'delivered', $2::bigint - coalesce(sum(amount), 0)
from book_entries where book = $1 and kind = 'delivered'
having coalesce(sum(amount), 0) < $2::bigint`;

/** Delivers `$3` copies of `$2` more, under the id `$1`: once. Runs after {@link LOCK_BOOK}. */
export const RESTOCK = `
with restocked as (
  insert into restocks (restock_id, book, copies) values ($1, $2, $3) on conflict (restock_id) do nothing
  returning book, copies
)
insert into book_entries (book, kind, amount) select book, 'delivered', copies from restocked`;

export const RESTOCKED = 'select book, copies from restocks where restock_id = $1';

/** Takes `$3` copies of `$2` for the purchase `$1`, or tells how many there are. No row: there never were any. */
export const TAKE = `
with shelf as materialized (
  select book, copies from books where book = $2 for no key update
), parcel as (
  insert into parcels (gid, book, copies) select $1, book, $3::integer from shelf where copies >= $3::integer
  returning gid, book, copies
), entered as (
  insert into book_entries (book, kind, amount, order_id) select book, 'taken', -copies, gid from parcel
)
select shelf.copies::text as left, exists (select from parcel) as done from shelf`;

/** For the books: each parcel, by the id of its purchase. `$3`, `$4`: what its gid begins with, its length and 1 more. */
export const PARCELS = `
select substr(gid, $4::int) as order_id, book, copies
from parcels where gid > $3::text || $1 and starts_with(gid, $3) order by gid limit $2`;
