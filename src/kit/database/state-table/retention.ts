import { FORGET_MS, ofJson, removeFound, type KeepingRemoval } from '../batches.js';
import { GUARD_RETENTION_DAYS } from '../guard/retention.js';
import type { Database } from '../sql.js';

const find = `
select gid from backstitch.state_table
where ended_at < now() - make_interval(days => $1::int) and gid not in (${ofJson('$3')}) limit $2::int`;

const forget = `
delete from backstitch.state_table
where gid in (${ofJson('$1')}) and ended_at < now() - make_interval(days => $2::int)
returning 1`;

/**
 * Removes rows that have ended so many days ago, in batches of one statement each. A gid is unknown from then on: nobody may ask for
 * it again. Rows that have not ended stay. Guards' rows have to be kept for longer than a row here may wait for a person.
 *
 * @param options `olderThanDays`: a whole number, 1 at least; default: 90, as the guards' rows. `batch`: default: 1,000 rows. `keep`: which
 * of these gids are needed still
 * @returns how many rows were removed
 * @throws a RangeError for an age or a batch below 1: nothing is removed; what `keep` throws
 */
export async function forgetStates(
  database: Database,
  { olderThanDays = GUARD_RETENTION_DAYS, batch = 1_000, ...how }: Partial<KeepingRemoval<string>> = {},
): Promise<number> {
  return removeFound(
    { olderThanDays, batch, ...how },
    async (days, limit, kept) =>
      (await database.run<{ gid: string }>(find, [days, limit, JSON.stringify(kept)], FORGET_MS)).map(({ gid }) => gid),
    async (gids, days) => (await database.run(forget, [JSON.stringify(gids), days], FORGET_MS)).length,
  );
}
