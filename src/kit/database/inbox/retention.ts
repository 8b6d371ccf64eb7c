import { removeInBatches, type Removal } from '../batches.js';
import type { Database } from '../sql.js';
import { forget } from './statements.js';

/** How long rows are kept by default: longer than a message may be on its way, be it delivered or sent again. */
export const INBOX_RETENTION_DAYS = 30;

/**
 * Removes the rows of messages that were handled so many days ago, of all consumers of the database, in batches of one statement
 * and transaction each.
 *
 * It must be longer than any message can come again: than the time window of the relay that delivers it, than a queue keeps it, than
 * a dead letter waits for a person. One that comes after that is handled again, unless the inbox handles in order: there its
 * number tells that it was handled (docs/outbox.md).
 *
 * @param options `olderThanDays`: a whole number, 1 at least; default: 30. `batch`: default: 1,000 rows
 * @returns how many rows were removed
 * @throws a RangeError for an age or a batch below 1: nothing is removed
 */
export async function forgetInbox(
  db: Database,
  { olderThanDays = INBOX_RETENTION_DAYS, batch = 1_000 }: Partial<Removal> = {},
): Promise<number> {
  return removeInBatches({ olderThanDays, batch }, async (...values) => {
    const [row] = await db.run<{ removed: number }>(forget, values);
    return row?.removed ?? 0;
  });
}
