import { Client } from '@temporalio/client';
import { openAccounts } from '../../src/activities/banks/accounts.js';
import { createShop, serviceNames, type ShopDatabases } from '../../src/activities/index.js';
import { deliver } from '../../src/activities/inventory/opening.js';
import { openCustomers } from '../../src/activities/orders/opening.js';
import { openWallets } from '../../src/activities/payments/opening.js';
import { bankNames } from '../../src/contracts/transfer.js';
import type { TemporalSettings, WorkerSettings } from '../../src/config.js';
import { createShopWorker } from '../../src/worker.js';
import { runLoad } from '../load.js';
import { figure } from '../markdown.js';
import { percentile } from '../statistics.js';
import type { SchemesOptions } from './options.js';
import { names, schemesOf, type Order, type SchemeName, type Schemes } from './schemes.js';

/** What one scheme did in one round. */
export interface SchemeFigures {
  /** One alone, from its call to its end. */
  readonly aloneMs: number;
  /** Ended in a second, of many that are asked for together; null: not measured. */
  readonly perSecond: number | null;
}

type Counts = Pick<SchemesOptions, 'alone' | 'loaded' | 'clients' | 'rounds'>;
export type Found = Readonly<Record<SchemeName, SchemeFigures[]>>;

/** More than any run can spend. */
const PLENTY = 2_000_000_000;
const CUSTOMERS = 500;

const customers = Array.from({ length: CUSTOMERS }, (_, n) => `c${n}`);

/**
 * Measures every scheme, with one worker.
 *
 * @param tell hears of progress, line by line
 * @throws if anything that was asked for is not done, or if the books do not balance: its figures would say nothing
 */
export async function measureSchemes(
  temporal: TemporalSettings,
  settings: WorkerSettings,
  databases: ShopDatabases,
  options: Counts,
  tell: (line: string) => void,
): Promise<Found> {
  const worker = await createShopWorker(temporal, settings, tell);
  const running = worker.run();
  try {
    // The warehouse tells nobody: its moves are sent from here.
    await worker.deliver(serviceNames.filter((name) => name !== 'warehouse'));
    await openCustomers(databases.orders, { customerIds: customers, points: PLENTY });
    await openWallets(databases.payments, { customerIds: customers, cents: PLENTY });
    await deliver(databases.inventory, { sku: 'cd', units: PLENTY });
    for (const bank of bankNames) await openAccounts(databases, { bank, accounts: customers, cents: PLENTY });
    const shop = createShop({ databases });
    const client = new Client({ connection: worker.connection, namespace: temporal.namespace });
    const found = await measure(schemesOf(shop, databases, client, temporal.taskQueue), options, tell);
    const { differences } = await shop.plain['books.prove']();
    if (differences.length > 0) {
      const lines = differences.map(({ subject, check }) => `${subject}: ${check}`);
      throw new Error(`the books do not balance: ${lines.slice(0, 5).join('; ')}`);
    }
    return found;
  } finally {
    await worker.stop();
    await running;
  }
}

/** In turns, so that what slows the machine for a while slows all. */
async function measure(
  schemes: Schemes,
  { alone, loaded, clients, rounds }: Counts,
  tell: (line: string) => void,
): Promise<Found> {
  const found = Object.fromEntries(names.map((name) => [name, [] as SchemeFigures[]])) as Found;
  /** How many were asked for, of each. */
  const asked = Object.fromEntries(names.map((name) => [name, 0])) as Record<SchemeName, number>;
  let next = 0;
  const ordersFor = async (name: SchemeName, count: number) => {
    const orders = Array.from({ length: count }, () => orderOf(++next));
    await schemes[name].prepare?.(orders);
    asked[name] += count;
    return orders;
  };
  /** One after the other; the next begins when the one before has ended, also where that is not measured. The median, in milliseconds. */
  const aloneMs = async (name: SchemeName) => {
    const { parts = 1, ask, ended, isAnswerOnly } = schemes[name];
    const orders = await ordersFor(name, Math.ceil(alone / parts));
    const before = asked[name] - orders.length;
    const took: number[] = [];
    for (const [n, order] of orders.entries()) {
      const from = performance.now();
      await ask(order);
      const answeredMs = performance.now() - from;
      await ended?.(before + n + 1);
      took.push((isAnswerOnly ? answeredMs : performance.now() - from) / parts);
    }
    return percentile(took, 0.5);
  };
  /** Each caller has as many, so that all are there until the end. @param count at least */
  const perSecond = async (name: SchemeName, count: number) => {
    const { parts = 1, ask, ended } = schemes[name];
    const orders = await ordersFor(name, Math.ceil(count / parts / clients) * clients);
    const from = performance.now();
    await runLoad(orders, clients, ask);
    await ended?.(asked[name]);
    return (orders.length * parts * 1_000) / (performance.now() - from);
  };
  for (const name of names) await perSecond(name, clients); // To warm up.
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const figures = {
        aloneMs: await aloneMs(name),
        perSecond: schemes[name].isAnswerOnly ? null : await perSecond(name, loaded),
      };
      found[name].push(figures);
      tell(`round ${round + 1}/${rounds}: ${name}: ${figure(figures.aloneMs)} ms, ${figure(figures.perSecond)}/s`);
    }
  }
  return found;
}

function orderOf(n: number): Order {
  return { orderId: `b${n}`, customerId: `c${n % CUSTOMERS}`, sku: 'cd', units: 1, amount: 200 };
}
