import { setTimeout } from 'node:timers/promises';
import type pg from 'pg';
import { cpuSeconds } from '../cpu.js';
import { runLoad } from '../load.js';
import { figure, markdownTable } from '../markdown.js';
import { say } from '../program.js';
import { percentile, significant, spread } from '../statistics.js';
import { graphileSystem } from './graphile.js';
import { Handled } from './handled.js';
import type { MessageOptions, MessageSystemName } from './options.js';
import { measureLooks, printLooks, type LookFigures } from './looks.js';
import { outboxSystem } from './outbox.js';
import { rabbitSystem } from './rabbitmq.js';
import { onStage } from './stage.js';
import type { MessageStage, MessageSystem } from './system.js';

/** `npm run bench -- messages`: see docs/outbox.md. Progress goes to stderr, the result to stdout. */

type Factory = (stage: MessageStage, rabbitmqUrl: string) => MessageSystem;
const factories: Readonly<Record<MessageSystemName, Factory>> = {
  outbox: (stage) => outboxSystem(stage),
  'outbox, RabbitMQ': rabbitSystem,
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
}

export async function compareMessages(options: MessageOptions): Promise<boolean> {
  const { rabbitmqUrl } = options;
  const systems = options.systems.filter((name) => rabbitmqUrl !== undefined || factories[name] !== rabbitSystem);
  if (systems.length < options.systems.length) say('no --rabbitmq-url: what goes by way of RabbitMQ is left out');
  const found = new Map<MessageSystemName, MessageFigures[]>(systems.map((name) => [name, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const name of round % 2 ? systems.toReversed() : systems) {
      const figures = await measure(name, options);
      found.get(name)?.push(figures);
      const told = Object.entries(figures).map(([what, value]) => `${what} ${figure(value as number | null)}`);
      say(`round ${round + 1}/${options.rounds}: ${name}: ${told.join(' · ')}`);
    }
  }
  const looks = options.systems.includes('outbox') ? await measureLooks(options) : [];
  print(found, looks, options.json);
  return true;
}

/** In new databases on a server of its own. */
async function measure(name: MessageSystemName, options: MessageOptions): Promise<MessageFigures> {
  return onStage((stage, pids) =>
    measureAll(factories[name](stage, options.rabbitmqUrl ?? ''), stage.consumer, pids, options),
  );
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
  await system.stop();
  const { rows } = await consumer.query<{ n: number }>('select count(*)::integer as n from effects');
  if (rows[0]?.n !== next - 1) throw new Error(`${rows[0]?.n} of ${next - 1} messages were handled`);
  return {
    sustained,
    drained,
    cpuPer1000: cpu === null || used === null ? null : ((used - cpu) / messages) * 1_000,
    ...{ p50Ms: percentile(idle, 0.5), p99Ms: percentile(idle, 0.99) },
    ...{ waitingP50Ms: percentile(busy, 0.5), waitingP99Ms: percentile(busy, 0.99) },
  };
}

function print(
  found: ReadonlyMap<MessageSystemName, readonly MessageFigures[]>,
  looks: readonly LookFigures[],
  json: boolean,
): void {
  const medians = [...found].map(([name, rounds]) => {
    const of = (what: keyof MessageFigures): number | null => {
      const values = rounds.map((figures) => figures[what]).filter((value) => typeof value === 'number');
      return values.length === 0 ? null : significant(spread(values).median);
    };
    return { name, rounds, of };
  });
  if (json) {
    const systems = Object.fromEntries(medians.map(({ name, rounds }) => [name, rounds]));
    console.log(JSON.stringify({ systems, looks }, null, 2));
    return;
  }
  const columns = {
    sustained: 'messages/s',
    drained: 'a backlog/s',
    cpuPer1000: 'CPU s per 1,000',
    ...{ p50Ms: 'p50 ms', p99Ms: 'p99 ms' },
    ...{ waitingP50Ms: 'p50 ms, many wait', waitingP99Ms: 'p99 ms, many wait' },
  } as const;
  const names = Object.keys(columns) as (keyof typeof columns)[];
  const rows = medians.map(({ name, of }) => [name, ...names.map((what) => figure(of(what)))]);
  for (const line of markdownTable(['', ...names.map((what) => columns[what])], rows)) console.log(line);
  printLooks(looks);
}
