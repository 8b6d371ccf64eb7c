import { createHash } from 'node:crypto';
import { NotBegun } from '../not-begun.js';
import type { Database } from '../sql.js';
import { flightsOf } from './pg-flight.js';
import { listenOn } from './pg-listen.js';
import type { PgClient, PgPool } from './pg-pool.js';
import { PgTransaction, type PgWay } from './pg-transaction.js';

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
  const queryOf: PgWay['queryOf'] = (text, values) => ({
    name: prepare ? nameOf(text) : undefined,
    text,
    values: [...values],
  });
  const fly = flightsOf(pool);
  const way: PgWay = { queryOf, prepare, fly };

  /** Connections that are given up: nothing has shown that they are well. */
  const lost = new WeakSet<PgClient>();
  const watched = new WeakSet<PgClient>();
  // The server may end a connection while nothing runs on it (a transaction that took too long): that is an event.
  const watch = (client: PgClient) => {
    if (watched.has(client)) return;
    watched.add(client);
    client.on('error', () => lost.add(client));
  };
  // A server that is stopped may say so in the packet that makes a connection ready: before whoever asked for it has it.
  pool.on('connect', watch);
  const connect = async (): Promise<PgClient> => {
    let client: PgClient;
    try {
      client = await pool.connect();
    } catch (error) {
      // What has a code was refused. What has none had no connection in time: the pool is busy, or the server is silent.
      if (error instanceof Error && !('code' in error)) throw new NotBegun(`no connection: ${error.message}`, error);
      throw error;
    }
    watch(client);
    return client;
  };
  const withClient = async <T>(timeoutMs: number, work: (client: PgClient) => Promise<T>): Promise<T> => {
    const client = await connect();
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = () => {
        if (isOver) return;
        isOver = true;
        clearTimeout(timer);
        client.release(lost.has(client));
      };
      const timer = setTimeout(() => {
        lost.add(client);
        end();
        reject(new Error(`the database was not done within ${timeoutMs} ms: its connection is given up`));
      }, timeoutMs);
      const done = work(client);
      done.then(end, end);
      done.then(resolve, reject);
    });
  };

  return {
    run: <Row extends object>(text: string, values?: readonly unknown[], timeoutMs = longest) =>
      withClient(timeoutMs, (client) =>
        client.query(values ? queryOf(text, values) : { text }).then(
          ({ rows }) => rows as Row[],
          (error: unknown) => {
            lost.add(client);
            throw error;
          },
        ),
      ),
    ...(fly && {
      runAll: <Row extends object>(
        text: string,
        [first = [], ...again]: readonly (readonly (string | null)[])[],
        timeoutMs: number,
      ) =>
        withClient(timeoutMs, (client) =>
          fly(client, queryOf(text, first), { again }).all.catch((error: unknown) => {
            lost.add(client);
            throw error;
          }),
        ) as Promise<Row[][]>,
    }),
    transaction: (work, timeoutMs = longest) =>
      withClient(timeoutMs, async (client) => {
        const transaction = new PgTransaction(client, way, () => lost.add(client));
        let result;
        try {
          result = await work(transaction.sql);
        } catch (error) {
          await transaction.rollback(error);
          throw error;
        }
        await transaction.commit();
        return result;
      }),
    listen: async (channel, onNotify) => listenOn(await connect(), channel, onNotify),
  };
}
