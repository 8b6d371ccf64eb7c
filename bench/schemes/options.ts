import { Command } from '@commander-js/extra-typings';
import { count } from '../options.js';

/** What the benchmark of the schemes can be told. */
export interface SchemesOptions {
  alone: number;
  loaded: number;
  clients: number;
  rounds: number;
  json: boolean;
}

/** Enough to see that everything works; the figures say nothing. */
const quickly = { alone: 5, loaded: 40, rounds: 1 };

/** Reads the arguments; a wrong one ends the program with one line and exit code 2. */
export function parseSchemesOptions(argv: readonly string[]): SchemesOptions {
  const { quick, ...options } = schemesCommand().parse(argv, { from: 'user' }).opts();
  return { ...options, ...(quick && quickly) };
}

/** The command, for its help. */
function schemesCommand() {
  return new Command('bench schemes')
    .description(
      'Orders by a saga, by the state table (stock, then the order, from this process), and choreographed (from their creation until they are ' +
        'placed, five services telling each other); transfers by a transactional message, until it is sent and until two banks have it; moves ' +
        'of orders that live for weeks, alone and with a payment; with one worker. About 5 minutes.',
    )
    .option('--alone <n>', 'of each, one after the other, in a round', count(1, 100_000), 50)
    .option('--loaded <n>', 'of each at least, many at a time, in a round', count(10, 1_000_000), 500)
    .option('--clients <n>', 'callers at a time', count(1, 1_000), 40)
    .option('--rounds <n>', 'rounds', count(1, 100), 3)
    .option('--quick', 'a few of each: to see that it works', false)
    .option('--json', 'one JSON document on stdout', false)
    .allowExcessArguments(false)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
}
