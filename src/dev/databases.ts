import pg from 'pg';
import { firstLine } from './temporal-program.js';

/** SQLSTATEs of `create database` when somebody else has created it at the same moment. */
const CREATED_MEANWHILE = ['42P04', '23505'];

/**
 * Creates the databases that are not there yet.
 *
 * @param serverUrl any database of the server, as a role that may create others
 * @throws one line that says which server, what is missing, and what to do
 */
export async function createDatabases(serverUrl: string, names: readonly string[]): Promise<void> {
  const { host, username } = new URL(serverUrl);
  const client = new pg.Client({ connectionString: serverUrl, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined); // What is being asked fails with it.
  try {
    await client.connect();
  } catch (error) {
    throw new Error(`no PostgreSQL server can be used at ${host} (${reason(error)}): see DATABASE_URL`, {
      cause: error,
    });
  }
  try {
    const { rows } = await client.query<{ datname: string }>('select datname from pg_database');
    const existing = new Set(rows.map(({ datname }) => datname));
    for (const name of names.filter((each) => !existing.has(each))) {
      try {
        await client.query(`create database ${pg.escapeIdentifier(name)}`);
      } catch (error) {
        if (CREATED_MEANWHILE.includes((error as { code?: string }).code ?? '')) continue;
        throw new Error(
          `the database '${name}' is missing at ${host} and cannot be created (${reason(error)}): create it, or let the role '${username}' create databases`,
          { cause: error },
        );
      }
    }
  } finally {
    await client.end();
  }
}

/** Of several addresses that were tried, the first one's reason. */
function reason(error: unknown): string {
  return firstLine(error instanceof AggregateError ? error.errors[0] : error);
}
