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

/** How far on each state of a job is; what is stopped before it has left stays stopped. */
const rank = (state: string) => `array_position(
  array['WAIT_PICK', 'PICKING', 'WAIT_PACK', 'PACKING', 'PACKED', 'STOPPED', 'SHIPPED'], ${state}::text)`;

/** Makes a job of an order, once. One row: the job as it is. */
export const TAKE_JOB = `
insert into pick_jobs (order_id, sku, units) values ($1, $2, $3::integer)
on conflict (order_id) do update set order_id = excluded.order_id
returning state`;

/** Moves a job from one state to the next. No row: it is in another state, or there is none. */
export const MOVE_JOB = `
update pick_jobs set state = $3, moved_at = now() where order_id = $1 and state = $2 returning state`;

/** Moves a job on to where its order is. No row: it is there, or further on. */
export const MOVE_JOB_ON = `
update pick_jobs set state = $2, moved_at = now() where order_id = $1 and ${rank('state')} < ${rank('$2')}
returning state`;

export const JOB = 'select state from pick_jobs where order_id = $1';

/** For the books: each job, by its order. */
export const JOBS = `
select order_id, sku, units, state from pick_jobs where order_id > $1 order by order_id limit $2`;
