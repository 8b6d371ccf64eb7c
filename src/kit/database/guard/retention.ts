import type { Database } from '../sql.js';

/** How long guard rows are kept by default: longer than any duplicate or late message can come. */
export const GUARD_RETENTION_DAYS = 90;

const forget = `
delete from backstitch.guard where ctid = any (array(
  select ctid from backstitch.guard g
  where ended_at < clock_timestamp() - make_interval(days => $1::int)
    and not exists (
      select from backstitch.guard later
      where later.gid = g.gid and (later.ended_at is null or later.ended_at >= clock_timestamp() - make_interval(days => $1::int)))
  limit $2::int for update skip locked))
returning 1`;

/**
 * Removes the guard rows of transactions in which nothing has happened for so many days, in batches of one statement
 * each. A row may be removed only when no duplicate, retry or undo of its transaction can come any more.
 *
 * @returns how many rows were removed
 */
export async function forgetGuards(
  db: Database,
  { olderThanDays = GUARD_RETENTION_DAYS, batch = 1_000 }: { olderThanDays?: number; batch?: number } = {},
): Promise<number> {
  let removed = 0;
  for (;;) {
    const rows = await db.run(forget, [olderThanDays, batch]);
    removed += rows.length;
    if (rows.length < batch) return removed;
  }
}
