import { Command, Option } from '@commander-js/extra-typings';
import { integer } from '../../src/client/options.js';
import { laneChoices } from './faults.js';

/** How long so many transactions may take, in minutes, on a machine that has other work to do. */
export function minutesFor(transactions: number): number {
  return Math.max(6, Math.ceil(transactions / 50));
}

/** The command `npm run chaos`, for its help and for tests. */
export function chaosCommand() {
  return new Command('npm run chaos --')
    .description(
      'Places real orders, or moves money between banks, or delivers messages, while workers, PostgreSQL and the Temporal server are killed and started again, and connections ' +
        'are cut and held up; then proves that nothing was lost and nothing was done twice.',
    )
    .option('--orders <n>', 'orders to place, of examples/orders.csv (default: 500)', integer(1, 6_919))
    .addOption(
      new Option('--transfers <n>', 'moves money between banks instead, by every scheme: so many transfers')
        .argParser(integer(1, 100_000))
        .conflicts('orders'),
    )
    .addOption(
      new Option('--messages <n>', 'delivers messages of 200 keys from an outbox to an inbox instead: so many')
        .argParser(integer(1, 1_000_000))
        .conflicts(['orders', 'transfers']),
    )
    .addOption(
      new Option('--everything <n>', 'all that the shop can do, mixed, instead: so many of them')
        .argParser(integer(1, 6_919))
        .conflicts(['orders', 'transfers', 'messages']),
    )
    .option('--seed <n>', 'the seed of the schedule of faults; the same seed, the same faults', integer(0, 2 ** 31))
    .option('--runs <n>', 'runs, each with the next seed', integer(1, 1_000), 1)
    .option(
      '--minutes <n>',
      'a run that is not done by then has failed (default: 1 for 50 transactions, and at least 6)',
      integer(1, 120),
    )
    .option('--concurrency <n>', 'transactions under way at a time', integer(1, 200), 30)
    .addOption(
      new Option('--lane <lane>', 'which lanes they take, where they have them')
        .choices(laneChoices)
        .default('mixed' as const),
    )
    .option('--json', 'print one JSON document')
    .allowExcessArguments(false)
    .showHelpAfterError('(--help tells more)')
    .addHelpText('after', '\nExit codes: 0 every run passed; 1 one did not, or could not begin; 2 bad usage.')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
}
