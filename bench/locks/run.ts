import { createClient } from '@redis/client';
import { idempotencyMigrations, lockMigrations, migrate, pgDatabase } from '../../src/kit/database/index.js';
import { nodeRedis, type Redis } from '../../src/kit/redis/index.js';
import { startRedis } from '../../test/support/redis.js';
import { runLoad } from '../load.js';
import { figure, markdownTable } from '../markdown.js';
import { onStage } from '../messages/stage.js';
import { say } from '../program.js';
import { pairedRatio, percentile, spread } from '../statistics.js';
import { cellsOf, PLAIN, tables, type Cells } from './cells.js';
import type { LockBenchOptions } from './options.js';

/** `npm run bench -- locks`: see docs/idempotency.md. Progress goes to stderr, the result to stdout. */

/** What one cell did in one round. */
interface LockFigures {
  /** The median of one alone, in milliseconds. */
  readonly aloneMs: number;
  /** All clients together, in a second. */
  readonly perSecond: number;
}

export async function compareLocks(options: LockBenchOptions): Promise<boolean> {
  const found = await withRedis((redis) =>
    onStage(async ({ producer }) => {
      const db = pgDatabase(producer);
      await migrate(db, 'idempotency', idempotencyMigrations);
      await migrate(db, 'lock', lockMigrations);
      for (const statement of tables.split(';\n')) await producer.query(statement);
      return measureAll(cellsOf(db, redis), options);
    }),
  );
  print(found, options.json);
  return true;
}

/** With a Redis server of its own, where there is one to be had. */
async function withRedis<Result>(work: (redis: Redis | undefined) => Promise<Result>): Promise<Result> {
  const server = await startRedis(say);
  if (server === undefined) return work(undefined);
  const client = createClient({ url: server.url, disableOfflineQueue: true });
  client.on('error', () => undefined); // What is being asked fails with it.
  await client.connect();
  try {
    return await work(nodeRedis(client));
  } finally {
    client.destroy();
    await server.stop();
  }
}

/** In turns, so that what slows the machine for a while slows all of them; every second round the other way round. */
async function measureAll(cells: Cells, { alone, loaded, clients, rounds }: LockBenchOptions) {
  let next = 1;
  const numbers = (count: number) => Array.from({ length: count }, () => next++);
  const found = new Map<string, LockFigures[]>(Object.keys(cells).map((name) => [name, []]));
  for (const call of Object.values(cells)) await runLoad(numbers(clients * 20), clients, call); // To warm up.
  for (let round = 0; round < rounds; round++) {
    const turns = Object.entries(cells);
    for (const [name, call] of round % 2 ? turns.toReversed() : turns) {
      const serial = await runLoad(numbers(alone), 1, call);
      const load = await runLoad(numbers(loaded), clients, call);
      const figures = { aloneMs: percentile(serial.latenciesMs, 0.5), perSecond: loaded / load.seconds };
      found.get(name)?.push(figures);
      say(`round ${round + 1}/${rounds}: ${name}: ${figure(figures.aloneMs)} ms, ${figure(figures.perSecond)}/s`);
    }
  }
  return found;
}

function print(found: ReadonlyMap<string, readonly LockFigures[]>, json: boolean): void {
  if (json) {
    console.log(JSON.stringify(Object.fromEntries(found), null, 2));
    return;
  }
  const plain = found.get(PLAIN) ?? [];
  const rows = [...found].map(([name, rounds]) => {
    const of = (what: keyof LockFigures, all = rounds) => all.map((figures) => figures[what]);
    return [
      name,
      figure(spread(of('aloneMs')).median),
      figure(pairedRatio(of('aloneMs'), of('aloneMs', plain)).median),
      figure(spread(of('perSecond')).median),
      figure(pairedRatio(of('perSecond', plain), of('perSecond')).median),
    ];
  });
  const header = ['', 'alone, ms', 'times a plain update', 'a second, by all clients', 'times a plain update'];
  for (const line of markdownTable(header, rows)) console.log(line);
}
