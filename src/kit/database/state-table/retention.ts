import { GUARD_RETENTION_DAYS } from '../guard/retention.js';
import type { Database } from '../sql.js';

const forget = `
delete from backstitch.state_table where gid = any (array(
  select gid from backstitch.state_table
  where ended_at < clock_timestamp() - make_interval(days => $1::int) limit $2::int))
returning 1`;

/**
 * Removes rows that have ended so many days ago, in batches of one statement each. A gid is unknown from then on: nobody may ask for
 * it again. Rows that have not ended stay. Guards' rows have to be kept for longer than a row here may wait for a person.
 *
 * @param options `olderThanDays`: a whole number, 1 at least; default: 90, as the guards' rows. `batch`: default: 1,000 rows
 * @returns how many rows were removed
 * @throws a RangeError for an age or a batch below 1: nothing is removed
 */
export async function forgetStates(
  database: Database,
  { olderThanDays = GUARD_RETENTION_DAYS, batch = 1_000 }: { olderThanDays?: number; batch?: number } = {},
): Promise<number> {
  if (![olderThanDays, batch].every((value) => Number.isSafeInteger(value) && value >= 1)) {
    throw new RangeError(`olderThanDays is ${olderThanDays}, batch ${batch}: both must be whole numbers, 1 at least`);
  }
  let removed = 0;
  for (;;) {
    const rows = await database.run(forget, [olderThanDays, batch]);
    removed += rows.length;
    if (rows.length < batch) return removed;
  }
}
