import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import pg from 'pg';
import { orderCalls } from '../../src/activities/callers/index.js';
import { createShop, serviceNames, type ShopDatabases } from '../../src/activities/index.js';
import { deliver } from '../../src/activities/inventory/opening.js';
import { openCustomers } from '../../src/activities/orders/opening.js';
import { openWallets } from '../../src/activities/payments/opening.js';
import { orderGid } from '../../src/contracts/place-order.js';
import { startServers } from '../../src/dev/servers.js';
import { pgDatabase } from '../../src/kit/database/index.js';
import { searchAttributeTypes } from '../../src/kit/workflow/index.js';
import { createShopWorker } from '../../src/worker.js';
import { runLoad } from '../load.js';
import { figure, markdownTable } from '../markdown.js';
import { say } from '../program.js';
import { percentile, spread } from '../statistics.js';
import { operation } from '../systems/in-process.js';
import type { UndrivenOptions } from './options.js';

/** `npm run bench -- undriven`: see docs/choosing.md. Progress goes to stderr, the result to stdout. */

/** What one scheme did in one round. */
interface UndrivenFigures {
  /** One alone, from its call to its end. */
  readonly aloneMs: number;
  /** Ended in a second, of many that are asked for together. */
  readonly perSecond: number;
}

/** More than any run can spend. */
const PLENTY = 2_000_000_000;
const CUSTOMERS = 500;
/** Until all that was asked for has ended, in milliseconds; and between two looks. */
const LIMIT_MS = 300_000;
const LOOK_MS = 5;

const customers = Array.from({ length: CUSTOMERS }, (_, n) => `c${n}`);

export async function benchUndriven(options: UndrivenOptions): Promise<boolean> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const servers = await startServers({
    state: join(process.env.BACKSTITCH_STATE ?? '.backstitch', 'bench'),
    fresh: true,
    databases: serviceNames,
    searchAttributes: searchAttributeTypes,
    onDeath: (report) => {
      say(report.message);
      process.exit(1);
    },
  });
  const pools: pg.Pool[] = [];
  try {
    const databaseUrls = Object.fromEntries(serviceNames.map((name) => [name, servers.databaseUrl(name)]));
    const settings = { databaseUrls, poolSize: 8, faults: undefined };
    const worker = await createShopWorker(servers.temporal, settings, say);
    const running = worker.run();
    try {
      await worker.deliver();
      const databases = Object.fromEntries(
        serviceNames.map((name) => {
          const pool = new pg.Pool({ connectionString: databaseUrls[name], max: 10 });
          pools.push(pool);
          return [name, pgDatabase(pool)];
        }),
      ) as ShopDatabases;
      await openCustomers(databases.orders, { customerIds: customers, points: PLENTY });
      await openWallets(databases.payments, { customerIds: customers, cents: PLENTY });
      await deliver(databases.inventory, { sku: 'cd', units: PLENTY });
      print(await measure(databases, options), options);
    } finally {
      await worker.stop();
      await running;
    }
    return true;
  } finally {
    await Promise.all(pools.map((pool) => pool.end()));
    await servers.stop();
  }
}

type SchemeName = 'state table' | 'choreographed';
type Found = Readonly<Record<SchemeName, UndrivenFigures[]>>;

/** In turns, so that what slows the machine for a while slows both. */
async function measure(databases: ShopDatabases, { alone, loaded, clients, rounds }: UndrivenOptions): Promise<Found> {
  const schemes = schemesOf(databases);
  const found: Found = { 'state table': [], choreographed: [] };
  let next = 0;
  const orders = (count: number) => Array.from({ length: count }, () => orderOf(++next));
  for (const name of names) await runLoad(orders(clients), clients, schemes[name].ask); // To warm up.
  await schemes.choreographed.ended(clients);
  let choreographed = clients;
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const { ask, ended } = schemes[name];
      const serial = await runLoad(orders(alone), 1, async (order) => {
        await ask(order);
        if (name === 'choreographed') await ended(++choreographed);
      });
      const began = performance.now();
      await runLoad(orders(loaded), clients, ask);
      if (name === 'choreographed') await ended((choreographed += loaded));
      const seconds = (performance.now() - began) / 1_000;
      const figures = { aloneMs: percentile(serial.latenciesMs, 0.5), perSecond: loaded / seconds };
      found[name].push(figures);
      say(`round ${round + 1}/${rounds}: ${name}: ${figure(figures.aloneMs)} ms, ${figure(figures.perSecond)}/s`);
    }
  }
  return found;
}

const names: readonly SchemeName[] = ['state table', 'choreographed'];

function orderOf(n: number) {
  return { orderId: `b${n}`, customerId: `c${n % CUSTOMERS}`, sku: 'cd', units: 1, amount: 200 };
}
type Order = ReturnType<typeof orderOf>;

function schemesOf(databases: ShopDatabases) {
  const { callers, participants } = createShop({ databases });
  const byTable = async (order: Order) => {
    const calls = orderCalls({ ...order, sequence: 'pay-first' });
    const { answer } = await callers.run(orderGid(order.orderId), calls, { withinMs: 60_000, isNew: true });
    if (answer !== 'success') throw new Error(`${order.orderId}: ${answer}`);
  };
  const open = async (order: Order) => {
    const asked = { ...order, payLater: false, payWithinMs: 60_000 };
    // What its workflow does is this one call: here the events are what is measured.
    const gid = orderGid(order.orderId);
    await participants.orders.open.action({ ...operation(order, 'open-order', 'action'), gid }, asked);
  };
  return {
    'state table': { ask: byTable, ended: () => Promise.resolve() },
    choreographed: {
      ask: open,
      /** Waits until so many are placed. @throws if they are not in time */
      ended: async (count: number): Promise<void> => {
        const text = `select count(*)::int as n from orders where choreographed and status = 'placed'`;
        const until = performance.now() + LIMIT_MS;
        while (performance.now() < until) {
          const [row] = await databases.orders.run<{ n: number }>(text);
          if ((row?.n ?? 0) >= count) return;
          await delay(LOOK_MS);
        }
        throw new Error(`${count} orders were not placed within ${LIMIT_MS} ms`);
      },
    },
  };
}

function print(found: Found, { json }: UndrivenOptions): void {
  if (json) {
    console.log(JSON.stringify(found, null, 2));
    return;
  }
  const median = (name: SchemeName, what: keyof UndrivenFigures) =>
    figure(spread(found[name].map((each) => each[what])).median);
  const rows = names.map((name) => [name, median(name, 'aloneMs'), median(name, 'perSecond')]);
  for (const line of markdownTable(['', 'one alone, p50 ms', 'orders/s'], rows)) console.log(line);
}
