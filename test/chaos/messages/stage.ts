import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { freePort } from '../../../src/dev/ports.js';
import { startServers, type Servers } from '../../../src/dev/servers.js';
import { retries, startRelays } from '../../../src/kit/client/index.js';
import { inboxMigrations, migrate, outboxMigrations, pgDatabase } from '../../../src/kit/database/index.js';
import { searchAttributeTypes } from '../../../src/kit/workflow/index.js';
import { Crew } from '../crew.js';
import { applyToProxy, isProxyFault } from '../proxy-faults.js';
import { Proxy } from '../proxy.js';
import { chaosOutbox, consumerTables, producerTables, READY, sendNext } from './business.js';
import { transpiled } from '../../support/transpiled.js';

/** What a run for messages needs: two PostgreSQL servers, Temporal, two workers with relays and consumers, and a proxy before each database. */

export const workers = ['worker-1', 'worker-2'] as const;
type WorkerName = (typeof workers)[number];
export const links = ['producer', 'consumer'] as const;
type LinkName = (typeof links)[number];

/** What is done to one of them. */
export type Act =
  | { readonly kind: 'kill' | 'freeze'; readonly target: WorkerName }
  | { readonly kind: 'kill'; readonly target: LinkName | 'temporal' }
  | { readonly kind: 'cut' | 'cut-answers' | 'stall' | 'lose-answers'; readonly target: LinkName };

export type MessagesStage = Awaited<ReturnType<typeof openStage>>;

/** Sets it up, and waits until all workers serve and relays are started. @param state the folder, which is emptied */
export async function openStage(state: string, onProgress: (line: string) => void) {
  const deaths: Error[] = [];
  const onDeath = (report: Error) => deaths.push(report);
  const port = (index: number) => freePort(20_000 + ((process.pid * 5 + index) % 10_000));
  const closing: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const each of closing.splice(0).reverse()) await each();
  };
  try {
    const first = await startServers({
      ...{ state: join(state, 'producer'), fresh: true, databases: ['producer'], onProgress, onDeath },
      ports: { temporal: await port(0), ui: await port(1), postgres: await port(2) },
      searchAttributes: searchAttributeTypes,
    });
    closing.push(() => first.stop());
    const second = await startServers({
      ...{ state: join(state, 'consumer'), fresh: true, databases: ['consumer'], onProgress, onDeath },
      ports: { postgres: await port(3) },
    });
    closing.push(() => second.stop());
    const urls = { producer: first.databaseUrl('producer'), consumer: second.databaseUrl('consumer') };
    const pools = Object.fromEntries(
      Object.entries(urls).map(([name, connectionString]) => {
        const pool = new pg.Pool({ connectionString, max: 12, connectionTimeoutMillis: 5_000 });
        pool.on('error', () => undefined);
        closing.push(() => pool.end());
        return [name, pool];
      }),
    ) as Record<LinkName, pg.Pool>;
    const [from, to] = [pgDatabase(pools.producer), pgDatabase(pools.consumer)];
    await migrate(from, 'outbox', outboxMigrations);
    await migrate(to, 'inbox', inboxMigrations);
    await pools.producer.query(`${producerTables} create table done (token text primary key)`);
    await pools.consumer.query(consumerTables);

    const proxies: Record<LinkName, Proxy> = {
      producer: await Proxy.start(Number(new URL(urls.producer).port)),
      consumer: await Proxy.start(Number(new URL(urls.consumer).port)),
    };
    closing.push(async () => {
      await Promise.all(Object.values(proxies).map((proxy) => proxy.close()));
    });
    const through = (name: LinkName) => {
      const url = new URL(urls[name]);
      url.port = String(proxies[name].port);
      return url.href;
    };
    const logs = join(state, 'processes');
    mkdirSync(logs, { recursive: true });
    const job = {
      file: transpiled('test/chaos/messages/worker-program.ts'),
      env: {
        TEMPORAL_ADDRESS: first.temporal.address,
        BACKSTITCH_TASK_QUEUE: first.temporal.taskQueue,
        PRODUCER_URL: through('producer'),
        CONSUMER_URL: through('consumer'),
      },
      serves: new RegExp(READY),
    };
    const crew = new Crew<WorkerName>({ 'worker-1': job, 'worker-2': job }, logs);
    closing.push(() => crew.stop());
    await Promise.all(workers.map((name) => crew.serving(name)));
    const connection = await Connection.connect({ address: first.temporal.address, interceptors: retries });
    await startRelays(new Client({ connection }), {
      taskQueue: first.temporal.taskQueue,
      outboxes: [chaosOutbox],
    });
    await connection.close();

    let tokens = 0;
    const counting = 'select coalesce(sum(last), 0)::integer as n from ';
    const countOf = async (pool: pg.Pool, text: string) => {
      for (;;) {
        try {
          return (await pool.query<{ n: number }>(text)).rows[0]?.n ?? 0;
        } catch {
          await delay(200); // The server is being killed.
        }
      }
    };
    const handled = () => countOf(pools.consumer, `${counting} counted`);
    return {
      deaths,
      close,
      handled,
      async handledAtLeast(wanted: number, withinMs: number) {
        const late = Date.now() + withinMs;
        while (Date.now() < late && (await handled()) < wanted) await delay(100);
      },
      /** Sends the next of a key. @returns false if it certainly was not */
      async send(key: string, who: string): Promise<boolean> {
        const token = `${who}-${++tokens}`;
        try {
          await from.transaction(async (sql) => {
            await sql('insert into done (token) values ($1)', [token]);
            await sendNext(sql, key);
          }, 8_000);
          return true;
        } catch {
          await delay(100);
          // Whoever held the key may still be committing: the token's row tells once it can be written or is there.
          return (await countOf(pools.producer, isDone(token))) === 1;
        }
      },
      apply: (act: Act, ms: number) => applyAct(act, ms, { first, second, proxies, crew }),
      async verify(messages: number): Promise<string[]> {
        const problems: string[] = [];
        const expect = async (what: string, pool: pg.Pool, text: string, wanted: number) => {
          const found = await countOf(pool, text);
          if (found !== wanted) problems.push(`${what}: ${found}, and it should be ${wanted}`);
        };
        await expect('messages written', pools.producer, `${counting} sent`, messages);
        await expect('messages handled', pools.consumer, `${counting} counted`, messages);
        await expect('messages out of order', pools.consumer, 'select count(*)::integer as n from wrong', 0);
        await expect(
          'rows of the inbox',
          pools.consumer,
          'select count(*)::integer as n from backstitch.inbox',
          messages,
        );
        for (const table of ['outbox', 'outbox_parked', 'outbox_lanes']) {
          await expect(
            `rows left in ${table}`,
            pools.producer,
            `select count(*)::integer as n from backstitch.${table}`,
            0,
          );
        }
        const keptAs = 'select count(*)::integer as n from backstitch.outbox_delivered';
        await expect('messages kept as delivered', pools.producer, keptAs, messages);
        const ended = crew.endedByThemselves.map(({ process, how, last }) => `${process} ended (${how}): ${last}`);
        return [...problems, ...ended];
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Whether a transaction was committed: it is not under way any more when its token can be told. */
function isDone(token: string): string {
  const quoted = `'${token}'`;
  return `with tried as (
    insert into done (token) values (${quoted}) on conflict do nothing returning 1
  ) select (1 - count(*))::integer as n from tried`;
}

async function applyAct(
  { kind, target }: Act,
  ms: number,
  {
    first,
    second,
    proxies,
    crew,
  }: { first: Servers; second: Servers; proxies: Record<LinkName, Proxy>; crew: Crew<WorkerName> },
): Promise<void> {
  if (target === 'worker-1' || target === 'worker-2') {
    return kind === 'kill' ? crew.kill(target) : crew.freeze(target, 11_000 + ms);
  }
  if (kind === 'kill') {
    const server = {
      producer: first.started.postgres,
      consumer: second.started.postgres,
      temporal: first.started.temporal,
    }[target];
    if (server === undefined) throw new Error(`${target} was not started here`);
    await server.down('SIGKILL');
    await delay(ms);
    return server.up();
  }
  if (isProxyFault(kind)) await applyToProxy(proxies[target], kind, ms);
}
