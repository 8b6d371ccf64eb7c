import { createHash } from 'node:crypto';
import type { Database } from './sql.js';
import { sqlStateOf } from './sqlstate.js';

/** One step of a schema's history. Once applied anywhere it is never changed: add another. */
export interface Migration {
  readonly name: string;
  /** One or more statements, without values. */
  readonly sql: string;
}

/** A migration that was applied has another text now, or something else holds a lock that the migrations need. */
export class MigrationError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MigrationError';
  }
}

/** Any number that nobody else uses for an advisory lock in the same database. */
const LOCK = 7_263_901;

const createTable = `
create schema if not exists backstitch;
create table if not exists backstitch.migrations (
  component text not null,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default clock_timestamp(),
  primary key (component, name)
);`;

/**
 * Brings a component's schema to its newest state: each migration that was not applied yet, in order, all in one SQL
 * transaction. Several workers may do so at once: the others wait. Migrations that this program does not know are left
 * alone, so that a release can be taken back while its schema stays.
 *
 * @param component whose migrations these are, such as `payments`
 * @param options `lockTimeoutMs`: how long it waits for any one lock, in milliseconds; default: 60,000
 * @throws {@link MigrationError} when an applied migration was changed, or a lock was not had in time
 */
export async function migrate(
  db: Database,
  component: string,
  migrations: readonly Migration[],
  { lockTimeoutMs = 60_000 }: { lockTimeoutMs?: number } = {},
): Promise<void> {
  try {
    await db.transaction(async (sql) => {
      await sql(`select set_config('lock_timeout', $1, true)`, [String(lockTimeoutMs)]);
      await sql('select pg_advisory_xact_lock($1)', [LOCK]);
      await sql(createTable);
      const rows = await sql<{ name: string; checksum: string }>(
        'select name, checksum from backstitch.migrations where component = $1',
        [component],
      );
      const applied = new Map(rows.map(({ name, checksum }) => [name, checksum]));
      for (const { name, sql: script } of migrations) {
        const checksum = createHash('sha256').update(script).digest('hex');
        const known = applied.get(name);
        if (known === checksum) continue;
        if (known !== undefined) {
          throw new MigrationError(
            `migration '${name}' of '${component}' was changed after it was applied: restore its text, and add a new migration for the change`,
          );
        }
        await sql(script);
        await sql('insert into backstitch.migrations (component, name, checksum) values ($1, $2, $3)', [
          component,
          name,
          checksum,
        ]);
      }
    });
  } catch (error) {
    if (sqlStateOf(error) !== '55P03') throw error;
    throw new MigrationError(
      `the migrations of '${component}' waited more than ${lockTimeoutMs} ms for a lock: end the migration or the transaction that holds it, and start again`,
      { cause: error },
    );
  }
}
