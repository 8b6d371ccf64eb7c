import { removeRows, type Removal } from '../batches.js';
import type { Database } from '../sql.js';

/** How long it is kept what persons have decided about messages, with what they have discarded: a year, and some time to look back at it. */
export const DECISIONS_RETENTION_DAYS = 400;

const forget = `
delete from backstitch.outbox_decisions where ctid = any (array(
  select ctid from backstitch.outbox_decisions where at < now() - make_interval(days => $1::int) limit $2::int))
returning 1`;

/**
 * Removes what persons have decided about messages so many days ago, in batches. Messages that wait, dead letters among them, are never
 * removed by their age; what was delivered its outbox keeps by itself (`keepDays`).
 *
 * @param options `olderThanDays`: a whole number, 1 at least; default: 400. `batch`: default: 1,000 rows
 * @returns how many rows were removed
 * @throws a RangeError for an age or a batch below 1: nothing is removed
 */
export async function forgetDecisions(
  database: Database,
  { olderThanDays = DECISIONS_RETENTION_DAYS, ...how }: Partial<Removal> = {},
): Promise<number> {
  return removeRows(database, forget, { ...how, olderThanDays });
}
