import { FORGET_MS, removeFound, type KeepingRemoval } from '../batches.js';
import type { Database } from '../sql.js';
import { findOld, forget } from './statements.js';

/** How long rows are kept by default: longer than a message may be on its way, be it delivered or sent again. */
export const INBOX_RETENTION_DAYS = 30;

/**
 * Removes the rows of messages that were handled so many days ago, of all consumers of the database, in batches of one statement
 * and transaction each.
 *
 * It must be longer than any message can come again: than the time window of the relay that delivers it, than a queue keeps it, than
 * a dead letter waits for a person. What waits in an outbox for longer than that `keep` can say, by the ids of the messages that are given.
 * One that comes after that is handled again, unless the inbox handles in order: there its number tells that it was handled
 * (docs/outbox.md).
 *
 * @param options `olderThanDays`: a whole number, 1 at least; default: 30. `batch`: default: 1,000 rows
 * @returns how many rows were removed
 * @throws a RangeError for an age or a batch below 1: nothing is removed; what `keep` throws
 */
export async function forgetInbox(
  db: Database,
  { olderThanDays = INBOX_RETENTION_DAYS, batch = 1_000, keep, onBatch }: Partial<KeepingRemoval<string>> = {},
): Promise<number> {
  /** Of those that are found, each a list of its consumer and its id, the ones whose ids are needed. */
  const keepFound = async (found: readonly string[]) => {
    const ids = new Map(found.map((each) => [each, (JSON.parse(each) as [string, string])[1]]));
    const needed = new Set(await keep?.([...new Set(ids.values())]));
    return found.filter((each) => needed.has(ids.get(each) ?? ''));
  };
  return removeFound(
    { olderThanDays, batch, onBatch, keep: keepFound },
    async (days, limit, kept) =>
      (await db.run<{ found: string }>(findOld, [days, limit, listOf(kept)], FORGET_MS)).map(({ found }) => found),
    async (found, days) => {
      const [row] = await db.run<{ removed: number }>(forget, [days, listOf(found)], FORGET_MS);
      return row?.removed ?? 0;
    },
  );
}

function listOf(found: readonly string[]): string {
  return `[${found.join(',')}]`;
}
