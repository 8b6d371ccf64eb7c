import type { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
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
} from '../src/kit/database/index.js';
import { cpuSeconds } from './cpu.js';
import { DEDUP_TABLE, dedupRow, noGuard } from './guards.js';
import { runLoad } from './load.js';
import { plainPg } from './plain-pg.js';
import { percentile } from './statistics.js';

/**
 * `npm run bench:guard [-- rounds operations]`: what the guard costs an operation whose work is one statement (the shop's
 * charge of a wallet, and its refund), beside the same work by hand. Round trips are counted as the server counts them, by
 * its ReadyForQuery. PostgreSQL does not wait for the disk here: every way commits once, and the disk would hide what differs.
 */

const ROUNDS = Number(process.argv[2] ?? 5);
const COUNT = Number(process.argv[3] ?? 1_000);
const CLIENTS = 50;
const POOL = 20;
const WALLETS = 5_000;

/** Each statement by itself: as the kit does with a pool of which it knows nothing. */
const stepwise = (pool: pg.Pool) => pgDatabase({ connect: () => pool.connect(), on: pool.on.bind(pool) });

/** The guard without work in one statement. */
function inTransaction(db: Database): Guard {
  const guard = createGuard(db);
  return {
    ...guard,
    apply: (operation, input, work) => guard.apply(operation, input, work),
    undo: (operation, input, work) => guard.undo(operation, input, work),
  };
}

const WAYS: readonly { name: string; by: (pool: pg.Pool) => Database; guard: (db: Database) => Guard }[] = [
  { name: 'no guard, by hand', by: plainPg, guard: noGuard },
  { name: 'dedup row, by hand', by: plainPg, guard: dedupRow },
  { name: 'guard, statement by statement', by: stepwise, guard: inTransaction },
  { name: 'guard, in flights', by: pgDatabase, guard: inTransaction },
  { name: 'guard, at once', by: pgDatabase, guard: (db) => createGuard(db) },
];
const KINDS = ['action', 'undo', 'duplicate', 'rejected'] as const;
type Kind = (typeof KINDS)[number];

/** What is measured; times in microseconds an operation. */
interface Figures {
  readonly trips: number;
  /** The median of one client's operations. */
  readonly alone: number;
  /** CPU time of this process, and of PostgreSQL, with many clients. */
  readonly own: number;
  readonly server: number;
  /** Operations a second of many clients. */
  readonly throughput: number;
}

interface Item {
  readonly gid: string;
  readonly input: { readonly orderId: string; readonly customerId: string; readonly amount: number };
}
let last = 0;
function itemsOf(kind: Kind, count: number): Item[] {
  return Array.from({ length: count }, () => {
    const gid = `charge-${++last}`;
    const amount = kind === 'rejected' ? 1_000_000_000 : 1;
    return { gid, input: { orderId: gid, customerId: `c-${(last * 7) % WALLETS}`, amount } };
  });
}

function operation(gid: string, op: Op): Operation {
  return {
    ...{ gid, branch: 'pay', op, scheme: 'saga', seq: 2, function: `payments.charge.${op}`, driver: 'workflow:bench' },
    ...{ who: 'bench@machine', attempt: 1, timeoutMs: 10_000, signal: new AbortController().signal },
  };
}

async function perform({ charge }: Payments, kind: Kind, { gid, input }: Item): Promise<void> {
  if (kind === 'undo') {
    await charge.compensation(operation(gid, 'compensation'), input);
    return;
  }
  const refused = await charge.action(operation(gid, 'action'), input).then(
    () => false,
    (error: unknown) => {
      if (kind !== 'rejected') throw error;
      return true;
    },
  );
  if (refused !== (kind === 'rejected')) throw new Error('it was not rejected');
}

const servers = await startServers({ ephemeral: true, databases: ['guard'], onProgress: console.error });
const started = JSON.parse(readFileSync(join(servers.state, 'children.json'), 'utf8')) as { pid: number }[];
function cpu(): { own: number; server: number } {
  const { user, system } = process.cpuUsage();
  const own = (user + system) / 1e6;
  return { own, server: (cpuSeconds(started.map(({ pid }) => pid)) ?? Number.NaN) - own };
}

/** A way on pools of its own: one connection for one client, more for many. */
function open({ name, by, guard }: (typeof WAYS)[number]) {
  const pools = [1, POOL].map((max) => new pg.Pool({ connectionString: servers.databaseUrl('guard'), max }));
  const trips = { count: 0 };
  for (const pool of pools) {
    pool.on('connect', (client) => {
      const { connection } = client as unknown as { connection: EventEmitter };
      connection.on('readyForQuery', () => (trips.count += 1));
    });
  }
  const [alone, together] = pools.map((pool) => createPayments({ guard: guard(by(pool)) })) as [Payments, Payments];
  return { name, pools, trips, alone, together };
}

async function measure({ trips, alone, together }: ReturnType<typeof open>, kind: Kind): Promise<Figures> {
  const prepared = async (count: number) => {
    const items = itemsOf(kind, count);
    if (kind === 'undo' || kind === 'duplicate') {
      await runLoad(items, POOL, (item) => perform(together, 'action', item));
    }
    return items;
  };
  const [one, many] = [await prepared(COUNT / 4), await prepared(COUNT)];
  const counted = trips.count;
  const serial = await runLoad(one, 1, (item) => perform(alone, kind, item));
  const perOperation = (trips.count - counted) / one.length;
  const before = cpu();
  const load = await runLoad(many, CLIENTS, (item) => perform(together, kind, item));
  const after = cpu();
  return {
    trips: perOperation,
    alone: percentile(serial.latenciesMs, 0.5) * 1e3,
    own: ((after.own - before.own) / COUNT) * 1e6,
    server: ((after.server - before.server) / COUNT) * 1e6,
    throughput: COUNT / load.seconds,
  };
}

try {
  const pool = new pg.Pool({ connectionString: servers.databaseUrl('guard'), max: 1 });
  const db = pgDatabase(pool);
  await migrate(db, 'guard', guardMigrations);
  await migrate(db, 'payments', paymentsMigrations);
  await db.run(DEDUP_TABLE);
  for (let from = 0; from < WALLETS; from += 1_000) {
    const customerIds = Array.from({ length: 1_000 }, (_, index) => `c-${from + index}`);
    await openWallets(db, { customerIds, cents: 1_000_000 });
  }
  await pool.end();

  const ways = WAYS.map(open);
  const found = new Map<string, Figures[]>();
  // Kind by kind, so that what a way is compared with ran a moment ago; each round begins with another way. The first warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const kind of KINDS) {
      for (const way of [...ways.slice(round % ways.length), ...ways.slice(0, round % ways.length)]) {
        // Without a guard a duplicate does the work again.
        if (kind === 'duplicate' && way.name === WAYS[0]?.name) continue;
        const figures = await measure(way, kind);
        const key = `${kind} | ${way.name}`;
        if (round > 0) found.set(key, [...(found.get(key) ?? []), figures]);
      }
    }
    console.error(`round ${round} of ${ROUNDS}`);
  }
  console.log(
    '| operation | way | round trips | alone, µs | CPU here, µs | CPU in PostgreSQL, µs | with 50 clients, a second |',
  );
  for (const key of KINDS.flatMap((kind) => WAYS.map(({ name }) => `${kind} | ${name}`))) {
    const figures = found.get(key);
    if (figures === undefined) continue;
    const median = (of: keyof Figures) =>
      percentile(
        figures.map((each) => each[of]),
        0.5,
      );
    const rounded = (['alone', 'own', 'server', 'throughput'] as const).map((of) => Math.round(median(of)));
    console.log(`| ${key} | ${median('trips')} | ${rounded.join(' | ')} |`);
  }
  await Promise.all(ways.flatMap(({ pools }) => pools.map((each) => each.end())));
} finally {
  await servers.stop();
}
