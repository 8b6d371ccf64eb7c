import type { Database, Sql } from '../sql.js';

/** What the adapter needs of postgres.js; structural, so that the kit does not depend on it. */
export interface PostgresJs {
  unsafe(text: string, values?: never[], options?: { prepare?: boolean }): PromiseLike<object>;
  begin<T>(options: string, work: (sql: PostgresJs) => Promise<T>): Promise<unknown>;
}

/** Options of {@link postgresJsDatabase}. */
export interface PostgresJsOptions {
  /** Prepares each statement with values once a connection. Default: on. */
  readonly prepare?: boolean;
}

/** postgres.js as the kit's {@link Database}. */
export function postgresJsDatabase(client: PostgresJs, { prepare = true }: PostgresJsOptions = {}): Database {
  const sqlOf =
    (sql: PostgresJs): Sql =>
    async <Row extends object>(text: string, values?: readonly unknown[]) => {
      // Without values a text may hold several statements, which only the simple protocol takes.
      const rows = values ? await sql.unsafe(text, [...values] as never[], { prepare }) : await sql.unsafe(text);
      return Array.from(rows as Iterable<Row>);
    };
  return {
    run: sqlOf(client),
    // postgres.js itself looks at the answer to the commit, and throws if a statement had failed.
    transaction: <T>(work: (sql: Sql) => Promise<T>) =>
      client.begin('isolation level read committed', (sql) => work(sqlOf(sql))) as Promise<T>,
  };
}
