import { FORGET_MS, ofJson, removeFound, type KeepingRemoval } from '../batches.js';
import type { Database } from '../sql.js';

/** How long guard rows are kept by default: longer than any duplicate or late message can come. */
export const GUARD_RETENTION_DAYS = 90;

/**
 * All rows of a transaction go at once: a phase 2 left without its phase 1 would tell another story. None goes of one that is
 * known here not to have ended: it would be done again.
 */
const isOld = (days: string) => `
  not exists (
    select from backstitch.guard later
    where later.gid = g.gid and (later.ended_at is null or later.ended_at >= clock_timestamp() - make_interval(days => ${days}::int)
      or later.fate->>'state' in ('running', 'undoing')))
  and not exists (select from backstitch.announcements a where a.gid = g.gid)`;

const find = `
select gid from backstitch.guard g
where ended_at < clock_timestamp() - make_interval(days => $1::int) and gid not in (${ofJson('$3')}) and ${isOld('$1')}
limit $2::int`;

const forget = `
delete from backstitch.guard g where gid in (${ofJson('$1')}) and ${isOld('$2')}
returning 1`;

/**
 * Removes the guard rows of transactions in which nothing has happened for so many days, in batches: about `batch` rows, and always all
 * of a transaction. A transaction that is announced in this database, or that a group has opened here, keeps its rows until it has ended.
 * A row may be removed only when no duplicate, retry or undo of its transaction can come any more: what other databases and Temporal know
 * of it `keep` can say, by the gids that are given.
 *
 * @param options `olderThanDays`: a whole number, 1 at least; default: 90. `batch`: default: 1,000 rows
 * @returns how many rows were removed
 * @throws a RangeError for an age or a batch below 1: nothing is removed; what `keep` throws
 */
export async function forgetGuards(
  db: Database,
  { olderThanDays = GUARD_RETENTION_DAYS, batch = 1_000, ...how }: Partial<KeepingRemoval<string>> = {},
): Promise<number> {
  return removeFound(
    { olderThanDays, batch, ...how },
    async (days, limit, kept) =>
      (await db.run<{ gid: string }>(find, [days, limit, JSON.stringify(kept)], FORGET_MS)).map(({ gid }) => gid),
    async (gids, days) => (await db.run(forget, [JSON.stringify(gids), days], FORGET_MS)).length,
  );
}
