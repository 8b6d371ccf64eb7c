import { createHash } from 'node:crypto';
import type { Database, Sql } from '../sql.js';
import { sqlStateOf } from '../sqlstate.js';
import { NotCommitted } from './not-committed.js';

/** What the adapter needs of a `pg.Pool`; structural, so that the kit does not depend on pg. */
export interface PgPool {
  connect(): Promise<PgClient>;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** What the adapter needs of a client from the pool. */
export interface PgClient {
  query(query: { name?: string; text: string; values?: unknown[] }): Promise<{ command: string; rows: object[] }>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'error', listener: (error: Error) => void): unknown;
  release(destroy?: Error | boolean): void;
}

/** Options of {@link pgDatabase}. */
export interface PgOptions {
  /**
   * Prepares each statement with values once a connection. Off for a pooler that gives a client another connection for
   * each transaction and does not carry prepared statements. Default: on.
   */
  readonly prepare?: boolean;
  /**
   * How long a transaction or a single statement may take with its connection, in milliseconds, where the caller sets no
   * limit; the connection is given up then. A network that goes silent tells nobody, and the connection would be missing
   * from the pool for ever. Default: 10 minutes.
   */
  readonly timeoutMs?: number;
}

/** A statement that this connection prepared is gone or no longer fits its table: only a new connection prepares again. */
const UNPREPARED = ['26000', '0A000'];

/** Statement names kept; texts are constants, so more than this means that somebody builds them. */
const MAX_NAMES = 500;

/**
 * A pg pool as the kit's {@link Database}. Set the pool's `connectionTimeoutMillis`: waiting for a connection has no
 * limit otherwise.
 */
export function pgDatabase(pool: PgPool, { prepare = true, timeoutMs: longest = 600_000 }: PgOptions = {}): Database {
  // A connection that is lost while it idles in the pool is replaced; without a listener it would end the process.
  pool.on('error', () => undefined);
  const names = new Map<string, string>();
  const nameOf = (text: string): string | undefined => {
    let name = names.get(text);
    if (name === undefined && names.size < MAX_NAMES) {
      name = `bs_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
      names.set(text, name);
    }
    return name;
  };
  const sqlOf =
    (client: PgClient): Sql =>
    async <Row extends object>(text: string, values?: readonly unknown[]) => {
      const query = values ? { name: prepare ? nameOf(text) : undefined, text, values: [...values] } : { text };
      return (await client.query(query)).rows as Row[];
    };

  const withClient = async <T>(
    timeoutMs: number,
    work: (client: PgClient, onLost: () => void) => Promise<T>,
  ): Promise<T> => {
    const client = await pool.connect();
    const connection = { lost: false };
    const onLost = () => {
      connection.lost = true;
    };
    // The server may end a connection while nothing runs on it (a transaction that took too long): that is an event.
    client.on('error', onLost);
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        onLost();
        reject(new Error(`the database was not done within ${timeoutMs} ms: its connection is given up`));
      }, timeoutMs);
    });
    try {
      return await Promise.race([work(client, onLost), silence]);
    } finally {
      clearTimeout(timer);
      // What a connection that is given up says in the end must find a listener.
      if (!connection.lost) client.off('error', onLost);
      client.release(connection.lost);
    }
  };

  return {
    run: <Row extends object>(text: string, values?: readonly unknown[]) =>
      withClient(longest, async (client, onLost) => {
        try {
          return await sqlOf(client)<Row>(text, values);
        } catch (error) {
          // Nothing has shown that the connection is well.
          onLost();
          throw error;
        }
      }),
    transaction: (work, timeoutMs = longest) =>
      withClient(timeoutMs, async (client, onLost) => {
        // A connection that fails to begin, to commit or to roll back is in doubt, and not used again.
        const send = (text: string) =>
          client.query({ text }).catch((error: unknown) => {
            onLost();
            throw error;
          });
        await send('begin isolation level read committed');
        let result;
        try {
          result = await work(sqlOf(client));
        } catch (error) {
          if (UNPREPARED.includes(sqlStateOf(error) ?? '')) onLost();
          // The first error is the one to report.
          await send('rollback').catch(() => undefined);
          throw error;
        }
        // The commit of a transaction that failed answers ROLLBACK, without an error.
        const { command } = await send('commit');
        if (command !== 'COMMIT') throw new NotCommitted(command);
        return result;
      }),
  };
}
