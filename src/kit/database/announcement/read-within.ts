import type { Database } from '../sql.js';
import { statementLimit } from './statements.js';

/** How long a reading for somebody who looks may take, in milliseconds. */
const READ_MS = 10_000;

/** Reads by one statement, for a limited time. */
export function readWithin<Row extends object>(
  db: Database,
  statement: string,
  values: readonly unknown[],
): Promise<Row[]> {
  return db.transaction(async (sql) => {
    await sql(statementLimit, [String(READ_MS)]);
    return sql<Row>(statement, values);
  }, READ_MS + 1_000);
}
