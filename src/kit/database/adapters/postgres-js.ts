import type { Database, Sql, TransactionSql } from '../sql.js';

/** What the adapter needs of postgres.js; structural, so that the kit does not depend on it. */
export interface PostgresJs {
  unsafe(text: string, values?: never[], options?: { prepare?: boolean }): PromiseLike<object>;
  begin<T>(options: string, work: (sql: PostgresJsTransaction) => Promise<T>): Promise<unknown>;
  listen(channel: string, onNotify: (payload: string) => void): Promise<{ unlisten: () => Promise<void> }>;
}

/** What it needs of a transaction of postgres.js. */
export interface PostgresJsTransaction extends Pick<PostgresJs, 'unsafe'> {
  prepare(name: string): unknown;
}

/** Options of {@link postgresJsDatabase}. */
export interface PostgresJsOptions {
  /** Prepares each statement with values once a connection. Default: on. */
  readonly prepare?: boolean;
}

/** postgres.js as the kit's {@link Database}. */
export function postgresJsDatabase(client: PostgresJs, { prepare = true }: PostgresJsOptions = {}): Database {
  const sqlOf =
    (sql: Pick<PostgresJs, 'unsafe'>): Sql =>
    async <Row extends object>(text: string, values?: readonly unknown[]) => {
      // Without values a text may hold several statements, which only the simple protocol takes.
      const rows = values ? await sql.unsafe(text, [...values] as never[], { prepare }) : await sql.unsafe(text);
      return Array.from(rows as Iterable<Row>);
    };
  return {
    run: sqlOf(client),
    // postgres.js itself looks at the answer to the commit, and throws if a statement had failed.
    transaction: <T>(work: (sql: TransactionSql) => Promise<T>) =>
      client.begin('isolation level read committed', async (sql) => {
        let name: string | undefined;
        const prepareAs = (given: string) => {
          name = given;
        };
        const result = await work(Object.assign(sqlOf(sql), { prepareAs }));
        if (name !== undefined) {
          // It does not look at the answer to PREPARE TRANSACTION: nothing may be on its way that could fail yet.
          await sql.unsafe('select 1');
          sql.prepare(name);
        }
        return result;
      }) as Promise<T>,
    // It has a connection of its own for that, and finds another one when it is lost.
    listen: async (channel, onNotify) => {
      const { unlisten } = await client.listen(channel, onNotify);
      let end: () => void = () => undefined;
      const ended = new Promise<void>((resolve) => {
        end = resolve;
      });
      return { ended, close: () => unlisten().finally(end) };
    },
  };
}
