import { readFileSync } from 'node:fs';
import type { EventEmitter } from 'node:events';
import { join } from 'node:path';
import pg from 'pg';
import { createPayments, type Payments } from '../src/activities/payments/index.js';
import { paymentsMigrations } from '../src/activities/payments/migrations.js';
import { openWallets } from '../src/activities/payments/opening.js';
import { startServers } from '../src/dev/servers.js';
import {
  createGuard,
  guardMigrations,
  migrate,
  pgDatabase,
  type Database,
  type Guard,
  type Op,
  type Operation,
  type Sql,
} from '../src/kit/database/index.js';
import { cpuSeconds } from './cpu.js';
import { dedupRow, DEDUP_TABLE, noGuard } from './guards.js';
import { runLoad } from './load.js';
import { percentile } from './statistics.js';

/**
 * `npm run bench:guard`: what the guard costs an operation whose work is one statement (the shop's charge of a wallet, and
 * its refund), beside the same work by hand: round trips, as the server counts them (each ends with its ReadyForQuery),
 * latency alone, CPU time of this process and of PostgreSQL, and throughput with many clients. PostgreSQL does not wait for
 * the disk here: every way commits once, and the disk's time would hide what differs.
 */

const ROUNDS = Number(process.argv[2] ?? 3);
const COUNT = Number(process.argv[3] ?? 2_000);
const CLIENTS = 50;
const WALLETS = 5_000;

const servers = await startServers({
  ephemeral: true,
  databases: ['guard'],
  onProgress: console.error,
});
const started = JSON.parse(readFileSync(join(servers.state, 'children.json'), 'utf8')) as { pid: number }[];
const pids = started.map(({ pid }) => pid);

/** The ways to do it. */
interface System {
  readonly name: string;
  readonly payments: Payments;
}
const open = (max: number, by: (pool: pg.Pool) => Database) => {
  const pool = new pg.Pool({ connectionString: servers.databaseUrl('guard'), max });
  const trips = { count: 0 };
  pool.on('connect', (client) => {
    (client as unknown as { connection: EventEmitter }).connection.on('readyForQuery', () => trips.count++);
  });
  return { pool, trips, db: by(pool) };
};
type Opened = ReturnType<typeof open>;

/** What one writes by hand with node-postgres. */
const byHand = (pool: pg.Pool): Database => {
  const sqlOf =
    (client: pg.ClientBase): Sql =>
    async (text, values) =>
      (await client.query({ name: values && nameOf(text), text, values: values && [...values] })).rows as never;
  return {
    run: async (text, values) => (await pool.query(text, values && [...values])).rows as never,
    async transaction(work) {
      const client = await pool.connect();
      try {
        await client.query('begin');
        const result = await work(sqlOf(client));
        await client.query('commit');
        return result;
      } catch (error) {
        await client.query('rollback');
        throw error;
      } finally {
        client.release();
      }
    },
  };
};
const names = new Map<string, string>();
const nameOf = (text: string) => {
  let name = names.get(text);
  if (name === undefined) names.set(text, (name = `by-hand-${names.size}`));
  return name;
};

/** The kit's adapter as for a pool of which it knows nothing: each statement by itself. */
const stepwise = (pool: pg.Pool) => pgDatabase({ connect: () => pool.connect(), on: pool.on.bind(pool) });
/** The guard without what it does in one statement. */
const inTransaction = (db: Database): Guard => {
  const guard = createGuard(db);
  return { ...guard, apply: (operation, input, work) => guard.apply(operation, input, work) };
};
const ways: readonly { name: string; by: (pool: pg.Pool) => Database; guard: (db: Database) => Guard }[] = [
  { name: 'no guard', by: byHand, guard: noGuard },
  { name: 'dedup row by hand', by: byHand, guard: dedupRow },
  { name: 'guard, stepwise', by: stepwise, guard: inTransaction },
  { name: 'guard, flights', by: pgDatabase, guard: inTransaction },
  { name: 'guard, at once', by: pgDatabase, guard: (db) => createGuard(db) },
];

let next = 0;
const gid = () => `g-${process.pid}-${next++}`;
const operation = (of: string, op: Op): Operation => ({
  ...{ gid: of, branch: 'pay', op, scheme: 'saga', seq: 2, function: `payments.charge.${op}` },
  ...{ driver: 'workflow:bench', who: 'bench@machine', attempt: 1, timeoutMs: 10_000 },
  signal: new AbortController().signal,
});
const inputOf = (of: string, amount = 1) => ({ orderId: of, customerId: `c-${(next * 7) % WALLETS}`, amount });

/** The kinds of operations; each gets what `prepare` made, in this order. */
const kinds = ['action', 'undo', 'duplicate', 'rejected'] as const;
type Kind = (typeof kinds)[number];
interface Item {
  readonly gid: string;
  readonly input: ReturnType<typeof inputOf>;
}
const itemsOf = (kind: Kind, count: number): Item[] =>
  Array.from({ length: count }, () => {
    const of = gid();
    return { gid: of, input: inputOf(of, kind === 'rejected' ? 1e9 : 1) };
  });
const call = async ({ payments }: System, kind: Kind, { gid: of, input }: Item): Promise<void> => {
  const { action, compensation } = payments.charge;
  if (kind === 'undo') await compensation(operation(of, 'compensation'), input);
  else if (kind === 'rejected') {
    await action(operation(of, 'action'), input).then(
      () => Promise.reject(new Error('it was not rejected')),
      () => undefined,
    );
  } else await action(operation(of, 'action'), input);
};

interface Figures {
  trips: number;
  p50: number[];
  own: number[];
  server: number[];
  perSecond: number[];
}
const cpu = () => {
  const { user, system } = process.cpuUsage();
  const own = (user + system) / 1e6;
  return { own, server: (cpuSeconds(pids) ?? 0) - own };
};

try {
  const setup = open(1, pgDatabase);
  await migrate(setup.db, 'guard', guardMigrations);
  await migrate(setup.db, 'payments', paymentsMigrations);
  await setup.db.run(DEDUP_TABLE);
  for (let from = 0; from < WALLETS; from += 1_000) {
    const customerIds = Array.from({ length: 1_000 }, (_, index) => `c-${from + index}`);
    await openWallets(setup.db, { customerIds, cents: 1_000_000 });
  }
  const table = new Map<string, Figures>();
  const opened = ways.map(({ name, by, guard }) => {
    const [one, many] = [open(1, by), open(20, by)];
    const system = ({ db }: Opened): System => ({ name, payments: createPayments({ guard: guard(db) }) });
    return { name, one, many, alone: system(one), together: system(many) };
  });
  // Kind by kind, so that what a way is compared with ran a moment ago; and each round begins with another way.
  for (let round = -1; round < ROUNDS; round++) {
    for (const kind of kinds) {
      for (let turn = 0; turn < opened.length; turn++) {
        const way = opened[(turn + round + 1) % opened.length];
        if (way === undefined || (kind === 'duplicate' && way.name === 'no guard')) continue;
        const { name, one, alone, together } = way;
        const run = async (system: System, clients: number, count: number) => {
          const items = itemsOf(kind, count);
          if (kind === 'undo' || kind === 'duplicate') {
            await runLoad(items, 8, (item) => call(together, 'action', item));
          }
          const [before, tripsBefore] = [cpu(), one.trips.count];
          const load = await runLoad(items, clients, (item) => call(system, kind, item));
          const after = cpu();
          return {
            trips: (one.trips.count - tripsBefore) / count,
            p50: percentile(load.latenciesMs, 0.5) * 1_000,
            own: ((after.own - before.own) / count) * 1e6,
            server: ((after.server - before.server) / count) * 1e6,
            perSecond: count / load.seconds,
          };
        };
        const serial = await run(alone, 1, COUNT / 4);
        const loaded = await run(together, CLIENTS, COUNT);
        if (round < 0) continue;
        const key = `${kind}: ${name}`;
        const figures = table.get(key) ?? { trips: 0, p50: [], own: [], server: [], perSecond: [] };
        table.set(key, figures);
        figures.trips = serial.trips;
        figures.p50.push(serial.p50);
        figures.own.push(loaded.own);
        figures.server.push(loaded.server);
        figures.perSecond.push(loaded.perSecond);
      }
    }
    console.error(`round ${round}`);
  }
  console.log(
    '| operation | way | round trips | alone, µs | CPU here, µs | CPU in PostgreSQL, µs | 50 clients, ops/s |',
  );
  for (const kind of kinds) {
    for (const [key, { trips, p50, own, server, perSecond }] of table) {
      if (!key.startsWith(`${kind}:`)) continue;
      const median = (values: number[]) => Math.round(percentile(values, 0.5));
      const cells = [trips.toFixed(2), ...[p50, own, server, perSecond].map((values) => median(values))];
      console.log(`| ${kind} | ${key.slice(kind.length + 2)} | ${cells.join(' | ')} |`);
    }
  }
  await Promise.all([setup, ...opened.flatMap(({ one, many }) => [one, many])].map(({ pool }) => pool.end()));
} finally {
  await servers.stop();
}
