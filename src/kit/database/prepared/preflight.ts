import type { Database } from '../sql.js';

/**
 * Says what has to be set on a database's server before transactions can be prepared there.
 *
 * @param atLeast how many may be prepared at a time
 * @returns one line; `undefined` if nothing has to be done
 */
export async function wrongForPrepared(database: Pick<Database, 'run'>, atLeast: number): Promise<string | undefined> {
  const [row] = await database.run<{ most: number }>(
    `select current_setting('max_prepared_transactions')::int as most`,
    [],
  );
  const most = row?.most ?? 0;
  if (most >= atLeast) return undefined;
  const what = most === 0 ? 'two-phase commit is refused' : `at most ${most} transactions are prepared at a time`;
  return `max_prepared_transactions is ${most}, so ${what}: set it to ${atLeast} or more in postgresql.conf and restart PostgreSQL`;
}
