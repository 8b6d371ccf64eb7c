import type { Database, Sql } from '../sql.js';

/**
 * What was delivered is kept in a table for each day (UTC), which is dropped as a whole: nothing is left to be cleaned, however
 * much it was. Days are made ahead.
 */

const STATEMENT_MS = 10_000;
/** Locks of the whole table, which deliveries wait for, are waited for no longer than this, in milliseconds. */
const LOCK_MS = 2_000;

/** One at a time, and for no longer than deliveries can wait. */
function alone<T>(database: Database, work: (sql: Sql) => Promise<T>): Promise<T> {
  return database.transaction(async (sql) => {
    await sql(`select set_config('lock_timeout', $1, true)`, [String(LOCK_MS)]);
    await sql('select pg_advisory_xact_lock(7263903)');
    return work(sql);
  }, STATEMENT_MS);
}

/**
 * Makes the tables of today and the next two days. Several may do so at once.
 *
 * @param keepDays 0: none is made
 * @returns the days whose tables are older than they are kept, such as `20260131`
 */
export function makeDays(database: Database, keepDays: number): Promise<string[]> {
  return alone(database, async (sql) => {
    const [row] = await sql<{ wanted: string[]; old: string[] }>(days, [keepDays]);
    for (const day of row?.wanted ?? []) await sql(create(day));
    return row?.old ?? [];
  });
}

/**
 * Makes the tables of the next days, and drops those of days that are not kept any more.
 *
 * @param keepDays of all outboxes of the database the longest; 0: nothing is made, and all that is there is dropped
 * @returns the days that were dropped, such as `20260131`
 */
export async function keepDelivered(database: Database, keepDays: number): Promise<string[]> {
  const old = await makeDays(database, keepDays);
  // By itself: a day that cannot be dropped yet, as somebody reads it, keeps no other from being made.
  for (const day of old) {
    await alone(database, (sql) => sql(`drop table if exists backstitch.outbox_delivered_${digits(day)}`));
  }
  // What was delivered last under a key matters for as long as duplicates may come.
  await database.run(forgetLast, [Math.max(keepDays, 30)], STATEMENT_MS);
  return old;
}

/** The error of a delivery whose day has no table yet. */
export const NO_PARTITION = '23514';

const days = `
with today as (select (clock_timestamp() at time zone 'utc')::date as day), found as (
  select to_date(right(relname, 8), 'YYYYMMDD') as day from pg_class
  join pg_inherits on inhrelid = pg_class.oid
  where inhparent = 'backstitch.outbox_delivered'::regclass and relname ~ '^outbox_delivered_[0-9]{8}$'
)
select
  case when $1::integer = 0 then '{}' else array(
    select to_char(today.day + n, 'YYYYMMDD') from generate_series(0, 2) n
    where today.day + n not in (select day from found) order by n
  ) end as wanted,
  array(select to_char(found.day, 'YYYYMMDD') from found where found.day < today.day - $1::integer order by found.day) as old
from today`;

const create = (day: string) => {
  const date = digits(day);
  const from = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}`;
  // Attached: who reads or delivers meanwhile does not wait for that.
  return `create table backstitch.outbox_delivered_${date} (like backstitch.outbox_delivered including all);
alter table backstitch.outbox_delivered attach partition backstitch.outbox_delivered_${date} for values from (timestamptz '${from} 00:00:00+00') to (timestamptz '${from} 00:00:00+00' + interval '24 hours')`;
};

const forgetLast = `delete from backstitch.outbox_last where at < clock_timestamp() - make_interval(days => $1::integer)`;

function digits(day: string): string {
  if (!/^\d{8}$/.test(day)) throw new Error(`'${day}' is no day`);
  return day;
}
