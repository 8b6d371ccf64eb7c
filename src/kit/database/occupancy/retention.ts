import { FORGET_MS, removeInBatches, type Removal } from '../batches.js';
import type { Database } from '../sql.js';

/** How long what was occupied of a settled pool is kept by default, in days: longer than anybody may ask for the same again. */
export const OCCUPANCY_RETENTION_DAYS = 90;

/** Its pool stays, with what it had in all: who asks for the same again hears that it is closed. */
const FORGET = `
with old as materialized (
  select o.id from backstitch.occupancy o join backstitch.occupancy_pools p on p.pool = o.pool
  where p.settled_at < now() - make_interval(days => $1::int) and o.state <> 'occupied'
  limit $2::int for update of o skip locked
), gone as (
  delete from backstitch.occupancy o using old where o.id = old.id returning o.pool, o.state, o.units
), sums as (
  select pool, coalesce(sum(units) filter (where state = 'consumed'), 0) as consumed,
    coalesce(sum(units) filter (where state = 'released'), 0) as released
  from gone group by pool
), kept as (
  update backstitch.occupancy_pools p
  set past_consumed = past_consumed + sums.consumed, past_released = past_released + sums.released
  from sums where p.pool = sums.pool
)
select count(*)::int as removed from gone`;

/**
 * Removes what was occupied of pools that were settled so many days ago, in batches of one statement each. The pools stay, and say the same
 * of themselves. Call it before the orders of the other database are removed: see {@link forgottenOf}.
 *
 * @param options `olderThanDays`: a whole number, 1 at least; default: 90. `batch`: default: 1,000 rows
 * @returns how many rows were removed
 * @throws a RangeError for an age or a batch below 1: nothing is removed
 */
export async function forgetOccupancy(
  database: Database,
  { olderThanDays = OCCUPANCY_RETENTION_DAYS, batch = 1_000, ...removal }: Partial<Removal> = {},
): Promise<number> {
  return removeInBatches({ ...removal, olderThanDays, batch }, async (days, limit) => {
    const [row] = await database.run<{ removed: number }>(FORGET, [days, limit], FORGET_MS);
    const removed = row?.removed ?? 0;
    return { removed, isFull: removed >= limit };
  });
}

const FORGOTTEN = `
select a.id from json_to_recordset($1::text::json) as a(id text, pool text)
join backstitch.occupancy_pools p on p.pool = a.pool
where p.settled_at is not null and not exists (select from backstitch.occupancy o where o.id = a.id)`;

/**
 * Which of these have nothing any more in a pool that was settled: what the other database has of them can be removed too. Not before: the
 * row there is what keeps out an order that comes late, for as long as there is something to release here.
 */
export async function forgottenOf(
  database: Database,
  asked: readonly { readonly id: string; readonly pool: string }[],
): Promise<string[]> {
  const rows = await database.run<{ id: string }>(FORGOTTEN, [JSON.stringify(asked)], FORGET_MS);
  return rows.map(({ id }) => id);
}

const HAVE_FORGOTTEN = `
select pool from backstitch.occupancy_pools
where pool = any ($1::text[]) and settled_at is not null and past_consumed + past_released > 0`;

/**
 * Which of these pools have forgotten something: were settled, and do not know any more for whom all of their units were occupied. An order
 * of one that has nothing here is no sign that nothing was ever occupied for it. Whatever its age: the pool knows, and not the clock.
 */
export async function haveForgotten(database: Pick<Database, 'run'>, pools: readonly string[]): Promise<Set<string>> {
  const rows = await database.run<{ pool: string }>(HAVE_FORGOTTEN, [pools], FORGET_MS);
  return new Set(rows.map(({ pool }) => pool));
}
