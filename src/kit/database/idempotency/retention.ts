import { removeRows, type Removal } from '../batches.js';
import type { Database } from '../sql.js';
import { forget } from './execution-statements.js';

/** How long execution records that have ended are kept by default, in days: longer than anybody may ask for the same again. */
export const EXECUTION_RETENTION_DAYS = 30;

/**
 * Removes execution records that have ended so many days ago, in batches of one statement each. Whoever asks for one again after that has
 * it executed again. Those that have not ended stay: they are stale, and wait for whoever takes them over.
 *
 * @param options `olderThanDays`: a whole number, 1 at least; default: 30. `batch`: default: 1,000 rows
 * @returns how many rows were removed
 * @throws a RangeError for an age or a batch below 1: nothing is removed
 */
export async function forgetExecutions(
  database: Database,
  { olderThanDays = EXECUTION_RETENTION_DAYS, ...removal }: Partial<Removal> = {},
): Promise<number> {
  return removeRows(database, forget, { ...removal, olderThanDays });
}

const overdue = `
delete from backstitch.markers where ctid = any (array(
  select ctid from backstitch.markers where expires_at < now() - make_interval(days => $1::int)
  limit $2::int for update skip locked))
returning 1`;

/**
 * Removes markers whose time to live was over so many days ago, in batches of one statement each. They have no effect any more: it is
 * only for the room that they take.
 *
 * @param options `olderThanDays`: a whole number, 1 at least; default: 1. `batch`: default: 1,000 rows
 * @returns how many rows were removed
 * @throws a RangeError for an age or a batch below 1: nothing is removed
 */
export async function forgetMarkers(
  database: Database,
  { olderThanDays = 1, ...removal }: Partial<Removal> = {},
): Promise<number> {
  return removeRows(database, overdue, { ...removal, olderThanDays });
}
