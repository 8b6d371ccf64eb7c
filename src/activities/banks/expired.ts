import type { Database } from '../../kit/database/index.js';
import type { ExpiredHold } from '../../kit/workflow/index.js';
import { EXPIRED } from './sql.js';

/** Holds that are read at a time. */
const PAGE = 500;
/** How long one reading may take with its connection, in milliseconds. */
const READ_MS = 10_000;

/** The holds of a bank that should have been confirmed or cancelled by now, oldest first. */
export async function* expiredHolds(database: Database): AsyncGenerator<ExpiredHold> {
  let after: unknown[] = ['-infinity', '', ''];
  for (;;) {
    const rows = await database.run<ExpiredHold & { place: string }>(EXPIRED, [...after, PAGE], READ_MS);
    for (const { gid, branch, since } of rows) yield { gid, branch, since };
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    after = [last.place, last.gid, last.branch];
  }
}
