import { createHash } from 'node:crypto';
import type { Database, Sql } from './sql.js';

/** One step of a schema's history. Once applied anywhere it is never changed: add another. */
export interface Migration {
  readonly name: string;
  /** One or more statements, without values. */
  readonly sql: string;
}

/** A migration that was applied has another text now, or a database is newer than this program. */
export class MigrationError extends Error {
  constructor(message: string) {
    super(message);
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
 * transaction. Several workers may do so at once: the others wait.
 *
 * @param component whose migrations these are, such as `payments`
 * @throws {@link MigrationError} when an applied migration was changed
 */
export async function migrate(db: Database, component: string, migrations: readonly Migration[]): Promise<void> {
  await db.transaction(async (sql) => {
    await sql('select pg_advisory_xact_lock($1)', [LOCK]);
    await runScript(sql, createTable);
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
      await runScript(sql, script);
      await sql('insert into backstitch.migrations (component, name, checksum) values ($1, $2, $3)', [
        component,
        name,
        checksum,
      ]);
    }
  });
}

/** Runs a script of several statements: without values, a client sends it as it is. */
async function runScript(sql: Sql, script: string): Promise<void> {
  await sql(script);
}
