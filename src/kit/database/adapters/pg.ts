import { createHash } from 'node:crypto';
import type { Database, Sql } from '../sql.js';
import { classifyError } from '../sqlstate.js';
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
}

/** Statement names kept; texts are constants, so more than this means that somebody builds them. */
const MAX_NAMES = 500;

/**
 * A pg pool as the kit's {@link Database}. Set the pool's `connectionTimeoutMillis`: waiting for a connection has no
 * limit otherwise.
 */
export function pgDatabase(pool: PgPool, { prepare = true }: PgOptions = {}): Database {
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

  const withClient = async <T>(work: (client: PgClient, onLost: () => void) => Promise<T>): Promise<T> => {
    const client = await pool.connect();
    // The server may end a connection while nothing runs on it (a transaction that took too long): that is an event.
    let lost = false;
    const onError = () => {
      lost = true;
    };
    client.on('error', onError);
    try {
      return await work(client, onError);
    } catch (error) {
      // A connection in doubt is not used again; after a business error the rollback has shown that it is well.
      lost ||= classifyError(error) === 'retryable';
      throw error;
    } finally {
      client.off('error', onError);
      client.release(lost);
    }
  };

  return {
    run: <Row extends object>(text: string, values?: readonly unknown[]) =>
      withClient((client) => sqlOf(client)<Row>(text, values)),
    transaction: (work) =>
      withClient(async (client, onLost) => {
        await client.query({ text: 'begin isolation level read committed' });
        let result;
        try {
          result = await work(sqlOf(client));
        } catch (error) {
          // The first error is the one to report; a rollback that fails means that the connection is lost.
          await client.query({ text: 'rollback' }).catch(onLost);
          throw error;
        }
        // The commit of a transaction that failed answers ROLLBACK, without an error.
        const { command } = await client.query({ text: 'commit' });
        if (command !== 'COMMIT') throw new NotCommitted(command);
        return result;
      }),
  };
}
