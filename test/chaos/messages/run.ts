import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { freePort } from '../../../src/dev/ports.js';
import { startServers, type Servers } from '../../../src/dev/servers.js';
import { startRelays } from '../../../src/kit/client/index.js';
import { inboxMigrations, migrate, outboxMigrations, pgDatabase } from '../../../src/kit/database/index.js';
import { searchAttributeTypes } from '../../../src/kit/workflow/index.js';
import { Crew } from '../crew.js';
import { Proxy } from '../proxy.js';
import { Random } from '../random.js';
import { chaosOutbox, consumerTables, producerTables, READY, sendNext } from './business.js';

/**
 * Chaos for messages: so many over so many keys, from one PostgreSQL server to another, while relays, consumers, both servers and
 * Temporal are killed, and the connections between them are cut and held up. At the end each message was handled once, in the order of its
 * key, and nothing is left.
 */

const workers = ['worker-1', 'worker-2'] as const;
type WorkerName = (typeof workers)[number];
const links = ['producer', 'consumer'] as const;
type LinkName = (typeof links)[number];

/** What is done. */
type Act =
  | { readonly kind: 'kill' | 'freeze'; readonly target: WorkerName }
  | { readonly kind: 'kill'; readonly target: LinkName | 'temporal' }
  | { readonly kind: 'cut' | 'cut-answers' | 'stall' | 'lose-answers'; readonly target: LinkName };

const acts: readonly Act[] = [
  ...workers.flatMap((target) => [{ kind: 'kill', target } as const, { kind: 'freeze', target } as const]),
  ...(['producer', 'consumer', 'temporal'] as const).map((target) => ({ kind: 'kill', target }) as const),
  ...links.flatMap((target) =>
    (['cut', 'cut-answers', 'stall', 'lose-answers'] as const).map((kind) => ({ kind, target })),
  ),
];

/** How long a run waits for the messages of one fault before the next, in milliseconds. */
const PATIENCE_MS = 20_000;

export interface MessagesRun {
  readonly seed: number;
  readonly messages: number;
  readonly keys: number;
  readonly faults: number;
  readonly minutes: number;
  /** The folder that keeps everything, which is emptied. */
  readonly state: string;
  readonly onProgress: (line: string) => void;
}

export interface MessagesReport {
  readonly seed: number;
  readonly messages: number;
  readonly passed: boolean;
  readonly problems: readonly string[];
  /** What was done, such as `kill worker-1`. */
  readonly faults: readonly string[];
  readonly seconds: number;
}

/** Every fault once at least; in a long run one for each 400 messages. */
export function faultsFor(messages: number): number {
  return Math.max(acts.length, Math.round(messages / 400));
}

/** The report for people, in few lines. */
export function describeMessages({ seed, messages, passed, problems, faults, seconds }: MessagesReport): string {
  const what = `seed ${seed}: ${messages} messages, ${faults.length} faults, ${seconds} s: ${passed ? 'PASSED' : 'FAILED'}`;
  return [what, ...problems.map((problem) => `  ${problem}`)].join('\n');
}

/** The folders of a run's servers. */
export function messagesStates(state: string): string[] {
  return ['producer', 'consumer'].map((name) => join(state, name));
}

export async function chaosMessages(options: MessagesRun): Promise<MessagesReport> {
  const { seed, messages, keys, faults: count, minutes, state, onProgress } = options;
  const stage = await openStage(state, onProgress);
  const random = new Random(seed);
  const began = Date.now();
  const until = began + minutes * 60_000;
  const done: string[] = [];
  try {
    /** So many may be written by now: a part of them while each fault goes on. */
    const quota = { messages: 0 };
    const plan = [...random.shuffled(acts)];
    while (plan.length < count) plan.push(random.pick(acts));
    const injecting = (async () => {
      for (const [place, act] of plan.slice(0, count).entries()) {
        quota.messages = Math.ceil(((place + 1) / count) * messages);
        await stage.handledAtLeast(quota.messages - messages / count / 2, PATIENCE_MS);
        done.push(`${act.kind} ${act.target}`);
        onProgress(`${done.at(-1)} (${await stage.handled()} of ${messages} handled)`);
        await stage.apply(act, random.integer(1_000, 6_000));
      }
      quota.messages = messages;
    })();
    injecting.catch(() => {
      quota.messages = messages;
    });
    await write(stage, random, { messages, keys }, quota, until);
    onProgress(`all ${messages} are written`);
    await injecting;
    while ((await stage.handled()) < messages && Date.now() < until) await delay(500);
    await delay(3_000);
    const problems = [...(await stage.verify(messages)), ...stage.deaths.map(String)];
    return {
      ...{ seed, messages, problems, faults: done, passed: problems.length === 0 },
      seconds: Math.round((Date.now() - began) / 1_000),
    };
  } finally {
    await stage.close();
  }
}

/** Writes all messages, 8 clients at a time; one that fails is looked for: its commit may have been done. */
async function write(
  stage: MessagesStage,
  random: Random,
  { messages, keys }: Pick<MessagesRun, 'messages' | 'keys'>,
  quota: { readonly messages: number },
  until: number,
): Promise<void> {
  const queue = Array.from({ length: messages }, (_, n) => `k${n % keys}`);
  const left = random.shuffled(queue);
  let written = 0;
  const client = async (name: number) => {
    for (let key = left.pop(); key !== undefined; key = left.pop()) {
      for (let isSent = false; !isSent;) {
        if (Date.now() > until) throw new Error('the time of the run is over');
        if (written < quota.messages) isSent = await stage.send(key, `${name}`);
        else await delay(20);
      }
      written += 1;
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, name) => client(name)));
}

type MessagesStage = Awaited<ReturnType<typeof openStage>>;

async function openStage(state: string, onProgress: (line: string) => void) {
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
      file: 'test/chaos/messages/worker-program.ts',
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
    const connection = await Connection.connect({ address: first.temporal.address });
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
  const proxy = proxies[target];
  switch (kind) {
    case 'cut':
      proxy.cut();
      return;
    case 'cut-answers':
      proxy.cutAnswers();
      return;
    case 'stall': {
      const release = proxy.hold('requests', 'answers');
      await delay(ms);
      release();
      return;
    }
    case 'lose-answers': {
      const release = proxy.hold('answers');
      await delay(ms / 2);
      const accept = proxy.refuse();
      release();
      await delay(ms / 2);
      accept();
    }
  }
}
