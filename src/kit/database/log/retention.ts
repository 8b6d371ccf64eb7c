import { FORGET_MS, ofJson, removeFound, type KeepingRemoval } from '../batches.js';
import type { Database } from '../sql.js';

/** How long the compensation log is kept by default: a year, and some time to look back at it. */
export const LOG_RETENTION_DAYS = 400;

const isOld = (days: string) => `
  not exists (select from backstitch.log later
    where later.gid = l.gid and later.collected_at >= now() - make_interval(days => ${days}::int))`;

const find = `
select gid from backstitch.log l
where collected_at < now() - make_interval(days => $1::int) and gid not in (${ofJson('$3')}) and ${isOld('$1')} limit $2::int`;

const forget = `delete from backstitch.log l where gid in (${ofJson('$1')}) and ${isOld('$2')} returning 1`;

/**
 * Removes the log of transactions of which nothing was collected for so many days, whole, in batches. It has to be kept for longer than the
 * guards' rows: what those still tell would be collected again.
 *
 * @param options `olderThanDays`: a whole number, 1 at least; default: 400. `batch`: default: 1,000 rows. `keep`: which of these gids are
 * needed still
 * @returns how many entries were removed
 * @throws a RangeError for an age or a batch below 1: nothing is removed; what `keep` throws
 */
export async function forgetLog(
  operations: Database,
  { olderThanDays = LOG_RETENTION_DAYS, batch = 1_000, ...how }: Partial<KeepingRemoval<string>> = {},
): Promise<number> {
  return removeFound(
    { olderThanDays, batch, ...how },
    async (days, limit, kept) =>
      (await operations.run<{ gid: string }>(find, [days, limit, JSON.stringify(kept)], FORGET_MS)).map(
        ({ gid }) => gid,
      ),
    async (gids, days) => (await operations.run(forget, [JSON.stringify(gids), days], FORGET_MS)).length,
  );
}
