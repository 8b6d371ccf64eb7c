import { benchmark, count, namesFrom, serverOption, type ServerKind } from '../options.js';
import { contentions, type Contention } from './plan.js';
import { schemeNames, type SchemeName } from './schemes.js';

/** What the comparison of schemes can be told. */
export interface TransferOptions {
  schemes: SchemeName[];
  contentions: Contention[];
  transfers: number;
  alone: number;
  warmup: number;
  clients: number;
  rounds: number;
  /** Seconds; 0: the coordinator is not stopped. */
  stop: number;
  pause: number;
  poolSize: number;
  server: ServerKind;
  json: boolean;
}

/** Enough to see that everything works; the figures say nothing. */
const quickly = { transfers: 10, alone: 2, warmup: 4, clients: 4, pause: 0, stop: 3 };

/** Each transfer can have a prepared transaction at each bank, and the development server takes so many: see `max_prepared_transactions`. */
const MOST_CLIENTS = 30;

/** Reads the arguments; a wrong one ends the program with one line and exit code 2. */
export function parseTransferOptions(argv: readonly string[]): TransferOptions {
  const { quick, contention, ...options } = transferCommand().parse(argv, { from: 'user' }).opts();
  return { ...options, contentions: contention, ...(quick && quickly) };
}

/** The command, for its help and for tests. */
export function transferCommand() {
  return benchmark(
    'bench transfer',
    'Compares the schemes on the same transfers, from two banks to a third one: each alone and with many clients, with and ' +
      'without contention on one account; then while their coordinator is stopped. The books are proved after each. ' +
      'About 25 minutes.',
  )
    .option('--schemes <names>', `schemes to run, with commas: ${schemeNames.join(',')}`, namesFrom(schemeNames), [
      ...schemeNames,
    ])
    .option(
      '--contention <shares>',
      `how many of a hundred transfers take from one account, with commas: ${contentions.join(',')}`,
      sharesFrom,
      [...contentions],
    )
    .option(
      '--transfers <n>',
      'transfers of a scheme, a contention and a pass with all clients',
      count(10, 100_000),
      300,
    )
    .option('--alone <n>', 'transfers of a pass with one client', count(1, 10_000), 15)
    .option('--warmup <n>', 'transfers of a pass that do not count', count(0, 10_000), 30)
    .option('--clients <n>', 'clients at a time', count(1, MOST_CLIENTS), 20)
    .option(
      '--rounds <n>',
      'rounds of two passes, in opposite orders of the schemes; figures are medians over all passes; 0: only the stop',
      count(0, 100),
      1,
    )
    .option('--stop <seconds>', 'how long the coordinator is stopped; 0: it is not', count(0, 600), 30)
    .option('--pause <seconds>', 'pause after each, whose timers are still to fire', count(0, 600), 5)
    .option('--pool-size <n>', 'connections of each database, in each process', count(1, 40), 20)
    .addOption(serverOption())
    .option('--quick', 'a few transfers each: to see that it works', false)
    .option('--json', 'print one JSON object instead of tables', false);
}

function sharesFrom(text: string): Contention[] {
  const given = namesFrom(contentions.map(String))(text);
  return contentions.filter((share) => given.includes(String(share)));
}
