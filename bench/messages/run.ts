import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { isAlive, type ProcessIdentity } from '../../src/dev/processes.js';
import { startServers, type Servers } from '../../src/dev/servers.js';
import { cpuSeconds } from '../cpu.js';
import { runLoad } from '../load.js';
import { figure, markdownTable } from '../markdown.js';
import { say } from '../program.js';
import { percentile, significant, spread } from '../statistics.js';
import { graphileSystem } from './graphile.js';
import type { MessageOptions, MessageSystemName } from './options.js';
import { outboxSystem } from './outbox.js';
import type { MessageStage, MessageSystem } from './system.js';

/** `npm run bench -- messages`: see docs/outbox.md. Progress goes to stderr, the result to stdout. */

const factories: Readonly<Record<MessageSystemName, (stage: MessageStage) => MessageSystem>> = {
  outbox: outboxSystem,
  'graphile-worker': (stage) => {
    const system = graphileSystem(stage);
    return { ...system, produce: (id) => system.produce(id, null) };
  },
  'graphile-worker, in order': graphileSystem,
};

/** What one system did in one round. */
export interface MessageFigures {
  /** Messages a second, written and handled at the same time, from the first write to the last one handled. */
  readonly sustained: number;
  /** The same of messages that had all been written before. */
  readonly drained: number;
  /** CPU seconds of everything for 1,000 messages of the first. */
  readonly cpuPer1000: number | null;
  /** From commit to handled, with nothing else to do, in milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The same while others wait for their day. */
  readonly waitingP50Ms: number;
  readonly waitingP99Ms: number;
  /** How long the look for what is due takes that finds nothing, in milliseconds, and while others wait. */
  readonly lookMs?: number;
  readonly waitingLookMs?: number;
}

export async function compareMessages(options: MessageOptions): Promise<boolean> {
  const found = new Map<MessageSystemName, MessageFigures[]>(options.systems.map((name) => [name, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const name of round % 2 ? options.systems.toReversed() : options.systems) {
      const figures = await measure(name, options);
      found.get(name)?.push(figures);
      const told = Object.entries(figures).map(([what, value]) => `${what} ${figure(value as number | null)}`);
      say(`round ${round + 1}/${options.rounds}: ${name}: ${told.join(' · ')}`);
    }
  }
  print(found, options.json);
  return true;
}

/** In new databases on a server of its own, which waits for the disk. */
async function measure(name: MessageSystemName, options: MessageOptions): Promise<MessageFigures> {
  const servers = await startServers({
    state: join(process.env.BACKSTITCH_STATE ?? '.backstitch', 'bench'),
    fresh: true,
    databases: ['producer', 'consumer'],
    onDeath: (report) => {
      say(report.message);
      process.exit(1);
    },
  });
  const poolOf = (database: string) => {
    const pool = new pg.Pool({ connectionString: servers.databaseUrl(database), max: 40 });
    pool.on('error', () => undefined); // What is being asked fails with it.
    return pool;
  };
  const [producer, consumer] = [poolOf('producer'), poolOf('consumer')];
  try {
    await producer.query('create table sales (id integer primary key)');
    await consumer.query('create table effects (id integer primary key)');
    const stage = { producer, consumer, producerUrl: servers.databaseUrl('producer') };
    return await measureAll(factories[name](stage), consumer, pidsOf(servers), options);
  } finally {
    await Promise.all([producer.end(), consumer.end()]);
    await servers.stop();
  }
}

async function measureAll(
  system: MessageSystem,
  consumer: pg.Pool,
  pids: readonly number[] | undefined,
  { messages, alone, waiting, clients, keys }: MessageOptions,
): Promise<MessageFigures> {
  await system.open();
  let next = 1;
  const handled = new Handled();
  const write = async (count: number) => {
    const ids = Array.from({ length: count }, () => next++);
    await runLoad(ids, clients, (id) => system.produce(id, `k${id % keys}`));
    return ids;
  };
  const oneByOne = async () => {
    const took: number[] = [];
    for (let n = 0; n < alone; n++) {
      const id = next++;
      const comes = handled.wait(1);
      await system.produce(id, `k${id % keys}`);
      const committed = performance.now();
      took.push(Math.max(0, (await comes) - committed));
      // Idle: whatever the last one has left to do is done.
      await setTimeout(20);
    }
    return took;
  };
  const looks = async () => {
    if (system.look === undefined) return undefined;
    const took: number[] = [];
    for (let n = 0; n < 300; n++) took.push(await system.look());
    return percentile(took, 0.5);
  };

  await system.start((id) => {
    handled.came(id);
  });
  await Promise.all([handled.wait(500), write(500)]); // To warm up.
  const cpu = cpuSeconds(pids);
  const began = performance.now();
  const [ended] = await Promise.all([handled.wait(messages), write(messages)]);
  const used = cpuSeconds(pids);
  const sustained = messages / ((ended - began) / 1_000);
  await setTimeout(1_000);
  const idle = await oneByOne();
  const lookMs = await looks();

  await system.stop();
  await write(messages);
  const drainBegan = performance.now();
  const comes = handled.wait(messages);
  await system.start((id) => {
    handled.came(id);
  });
  const drained = messages / (((await comes) - drainBegan) / 1_000);

  await system.fill(waiting);
  await setTimeout(2_000);
  const busy = await oneByOne();
  const waitingLookMs = await looks();
  await system.stop();
  const { rows } = await consumer.query<{ n: number }>('select count(*)::integer as n from effects');
  if (rows[0]?.n !== next - 1) throw new Error(`${rows[0]?.n} of ${next - 1} messages were handled`);
  return {
    sustained,
    drained,
    cpuPer1000: cpu === null || used === null ? null : ((used - cpu) / messages) * 1_000,
    ...{ p50Ms: percentile(idle, 0.5), p99Ms: percentile(idle, 0.99) },
    ...{ waitingP50Ms: percentile(busy, 0.5), waitingP99Ms: percentile(busy, 0.99) },
    ...(lookMs !== undefined && waitingLookMs !== undefined && { lookMs, waitingLookMs }),
  };
}

/** Counts what was handled. A message that is handled twice is counted once. */
class Handled {
  readonly #ids = new Set<number>();
  #waiting: { readonly count: number; readonly resolve: (at: number) => void } | undefined;

  came(id: number): void {
    this.#ids.add(id);
    if (this.#waiting === undefined || this.#ids.size < this.#waiting.count) return;
    this.#waiting.resolve(performance.now());
    this.#waiting = undefined;
  }

  /** Resolves to the time at which so many more were handled. */
  wait(more: number): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting = { count: this.#ids.size + more, resolve };
    });
  }
}

function pidsOf(servers: Servers): readonly number[] | undefined {
  const recorded = JSON.parse(readFileSync(join(servers.state, 'children.json'), 'utf8')) as ProcessIdentity[];
  const alive = recorded.filter(isAlive);
  return alive.length === 1 ? alive.map(({ pid }) => pid) : undefined;
}

function print(found: ReadonlyMap<MessageSystemName, readonly MessageFigures[]>, json: boolean): void {
  const medians = [...found].map(([name, rounds]) => {
    const of = (what: keyof MessageFigures): number | null => {
      const values = rounds.map((figures) => figures[what]).filter((value) => typeof value === 'number');
      return values.length === 0 ? null : significant(spread(values).median);
    };
    return { name, rounds, of };
  });
  if (json) {
    console.log(JSON.stringify(Object.fromEntries(medians.map(({ name, rounds }) => [name, rounds])), null, 2));
    return;
  }
  const columns = {
    sustained: 'messages/s',
    drained: 'a backlog/s',
    cpuPer1000: 'CPU s per 1,000',
    ...{ p50Ms: 'p50 ms', p99Ms: 'p99 ms' },
    ...{ waitingP50Ms: 'p50 ms, many wait', waitingP99Ms: 'p99 ms, many wait' },
    ...{ lookMs: 'look ms', waitingLookMs: 'look ms, many wait' },
  } as const;
  const names = Object.keys(columns) as (keyof typeof columns)[];
  const rows = medians.map(({ name, of }) => [name, ...names.map((what) => figure(of(what)))]);
  for (const line of markdownTable(['', ...names.map((what) => columns[what])], rows)) console.log(line);
}
