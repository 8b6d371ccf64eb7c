import { randomBytes } from 'node:crypto';
import { Client, type ConnectionPlugin } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import pg from 'pg';
import { startServers, type Servers } from '../../src/dev/servers.js';
import { timeSkippingServer } from '../../src/dev/time-skipping-server.js';
import { retries } from '../../src/kit/client/index.js';
import { searchAttributeTypes } from '../../src/kit/workflow/index.js';
import { startBroker, type Broker } from './rabbitmq.js';
import { startRedis, type RedisServer } from './redis.js';

/**
 * The servers that tests need, each started when the first test asks for it and kept for the whole run. A test gets a
 * database of its own, and leaves no connection behind.
 */

const onProgress = (line: string) => {
  console.error(`    (${line})`);
};
const onDeath = (report: Error) => {
  console.error(report.message);
  process.exit(1);
};

let postgres: Promise<Servers> | undefined;
let temporal: Promise<Servers> | undefined;
let rabbit: Promise<Broker | undefined> | undefined;
let redis: Promise<RedisServer | undefined> | undefined;

function postgresServer(): Promise<Servers> {
  postgres ??= startServers({ ephemeral: true, databases: ['postgres'], onProgress, onDeath });
  return postgres;
}

/** The URL of a PostgreSQL server's database `postgres`. */
export async function postgresUrl(): Promise<string> {
  return (await postgresServer()).databaseUrl('postgres');
}

/** The address of a Temporal development server whose namespace `default` has the kit's search attributes. */
export async function temporalAddress(): Promise<string> {
  temporal ??= startServers({
    ephemeral: true,
    databases: [],
    searchAttributes: searchAttributeTypes,
    onProgress,
    onDeath,
  });
  return (await temporal).temporal.address;
}

/** A RabbitMQ server; undefined where there is none to be had: its tests are skipped. */
export function rabbitBroker(): Promise<Broker | undefined> {
  rabbit ??= startBroker(onProgress);
  return rabbit;
}

/** A Redis server; undefined where there is none to be had: its tests are skipped. */
export function redisServer(): Promise<RedisServer | undefined> {
  redis ??= startRedis(onProgress);
  return redis;
}

/** A test that fails may leave calls behind: what they throw when the connection is closed would fail the test after it. */
const leavesNothingBehind: ConnectionPlugin = {
  name: 'retries',
  configureConnection: (options) => ({ ...options, interceptors: retries }),
};

/** A new time-skipping environment; the caller tears it down. */
export async function timeSkippingEnvironment(): Promise<TestWorkflowEnvironment> {
  const path = await timeSkippingServer(onProgress);
  const server = { executable: { type: 'existing-path', path } } as const;
  for (let attempt = 1; ; attempt++) {
    try {
      return await TestWorkflowEnvironment.createTimeSkipping({ server, plugins: [leavesNothingBehind] });
    } catch (error) {
      // The SDK gives it five seconds, which are not enough for a Java program where the machine has much else to do.
      if (attempt === 4 || !String(error).includes('did not start within')) throw error;
    }
  }
}

/**
 * A client of a time-skipping server whose questions do not let its time go on. The environment's own does so while it asks for a result: if
 * the workflow has ended and nothing else is due, the time may be ten years later by then, at which a run of that server is over. And where
 * several ask at once that server is let go on more often than it was stopped: it fails whatever task ends next, and forgets it.
 */
export function clientWithoutSkipping({ connection, namespace }: TestWorkflowEnvironment): Client {
  return new Client({ connection, namespace });
}

/** A database of a test's own. */
export interface TestDatabase {
  readonly url: string;
  /** Drops it. @throws if a connection to it was left open: close every pool first */
  drop(): Promise<void>;
  /** Lets nobody in, and everybody out, until `up` is called. */
  down(): Promise<{ up: () => Promise<void> }>;
}

/** Creates an empty database. */
export async function testDatabase(name = 'test'): Promise<TestDatabase> {
  const server = await postgresUrl();
  const database = `${name}_${randomBytes(4).toString('hex')}`;
  await onServer(server, (client) => client.query(`create database ${database}`));
  const url = new URL(server);
  url.pathname = `/${database}`;
  return {
    url: url.href,
    drop: () =>
      onServer(server, async (client) => {
        // A connection that was just closed is gone only when the server has noticed.
        for (let attempt = 1; ; attempt++) {
          const { rows } = await client.query<{ name: string; query: string }>(
            'select application_name as name, query from pg_stat_activity where datname = $1',
            [database],
          );
          if (rows.length === 0) break;
          if (attempt === 100) {
            const [{ name: who, query } = { name: '?', query: '?' }] = rows;
            await client.query(`drop database ${database} with (force)`);
            throw new Error(
              `${rows.length} connections to ${database} were left open, one by '${who}', last: ${query}`,
            );
          }
          await client.query('select pg_sleep(0.05)');
        }
        await client.query(`drop database ${database}`);
      }),
    down: async () => {
      const admit = (whom: boolean) =>
        onServer(server, async (client) => {
          await client.query(`alter database ${database} with allow_connections ${whom}`);
        });
      await admit(false);
      await onServer(server, (client) =>
        client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [database]),
      );
      return { up: () => admit(true) };
    },
  };
}

/** Stops what was started. */
export async function stopServers(): Promise<void> {
  const started = await Promise.allSettled([postgres, temporal, rabbit, redis]);
  for (const server of started) if (server.status === 'fulfilled') await server.value?.stop();
}

async function onServer<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
