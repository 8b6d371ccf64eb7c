/** Buyers in a process of their own, told by messages what to buy: see `run.ts`. */
import pg from 'pg';
import { pgDatabase } from '../../src/kit/database/index.js';
import { runLoad } from '../load.js';
import type { SaleWay } from './options.js';
import { waysOf } from './ways.js';

/** What is to be bought. */
export interface Buying {
  readonly way: SaleWay;
  readonly sale: string;
  readonly from: number;
  readonly count: number;
  readonly clients: number;
}

/** What came of it. */
export interface Bought {
  readonly sold: number;
  readonly latenciesMs: readonly number[];
}

const [connections = '', stripes = ''] = process.argv.slice(2);
const open = (name: string) =>
  new pg.Pool({ connectionString: process.env[`DATABASE_URL_${name}`], max: Number(connections) });
const pools = [open('INVENTORY'), open('ORDERS')] as const;
const ways = waysOf(pgDatabase(pools[0]), pgDatabase(pools[1]), Number(stripes));

process.on('message', ({ way: name, sale, from, count, clients }: Buying) => {
  const way = ways[name];
  let sold = 0;
  const ids = Array.from({ length: count }, (_, n) => `${sale}-${from + n}`);
  runLoad(ids, clients, async (id) => {
    if (!(await way.deduct(sale, id))) return;
    await way.submit(sale, id);
    sold += 1;
  }).then(
    ({ latenciesMs }) => process.send?.({ sold, latenciesMs } satisfies Bought),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.once('disconnect', () => {
  void Promise.all(pools.map((pool) => pool.end()));
});
process.send?.('ready');
