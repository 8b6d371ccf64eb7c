import { benchmark, count, namesFrom } from '../options.js';

/** How a purchase takes its unit. */
export const saleWays = ['one-by-one', 'row', 'stripes', 'units', 'together', 'together-limited'] as const;
export type SaleWay = (typeof saleWays)[number];

/** What the benchmark of the flash sale can be told. */
export interface SaleOptions {
  ways: SaleWay[];
  purchases: number;
  scarce: number;
  processes: number[];
  clients: number;
  connections: number;
  stripes: number;
  rounds: number;
  json: boolean;
}

/** Enough to see that everything works; the figures say nothing. */
const quickly = { purchases: 200, scarce: 20, processes: [2], clients: 10, rounds: 1 };

/** Reads the arguments; a wrong one ends the program with one line and exit code 2. */
export function parseSaleOptions(argv: readonly string[]): SaleOptions {
  const { quick, processes, ...options } = saleCommand().parse(argv, { from: 'user' }).opts();
  return { ...options, processes: [...new Set([1, processes])], ...(quick && quickly) };
}

/** The command, for its help and for tests. */
export function saleCommand() {
  return benchmark(
    'bench sale',
    'Purchases of one article by many buyers, from one process and from several: each deducts the stock in one database and submits ' +
      'its order in another one. The ways differ in what they lock of the stock. About 6 minutes.',
  )
    .option('--ways <names>', `ways to run, with commas: ${saleWays.join(', ')}`, namesFrom(saleWays), [...saleWays])
    .option('--purchases <n>', 'purchases of a phase', count(10, 10_000_000), 5_000)
    .option('--scarce <n>', 'units where there are few: all others are told so', count(1, 1_000_000), 250)
    .option('--processes <n>', 'processes that buy, beside a run with one', count(1, 64), 4)
    .option('--clients <n>', 'buyers at a time, over all processes', count(1, 10_000), 200)
    .option('--connections <n>', 'connections to each database, over all processes', count(2, 400), 40)
    .option('--stripes <n>', 'rows of the way with stripes', count(2, 1_000), 16)
    .option('--rounds <n>', 'rounds', count(1, 100), 3)
    .option('--quick', 'a few purchases: to see that it works', false)
    .option('--json', 'one JSON document on stdout', false);
}
