import { Option } from '@commander-js/extra-typings';
import {
  foundStates,
  listTransactions,
  schemes,
  showTransaction,
  type ListedTransaction,
  type ShownTransaction,
} from '../../kit/client/index.js';
import type { TemporalSettings } from '../../config.js';
import type { Cli } from '../cli.js';
import { EXIT, exitOfState } from '../exit.js';
import { integer, time } from '../options.js';
import { describeList, describeTransaction } from '../words.js';

/** `tx list`, `tx show`. */
export function addTransactionCommands(cli: Cli): void {
  const tx = cli.root.command('tx').description('find transactions, and look into them');

  tx.command('list')
    .description('list transactions, the newest first')
    .addOption(new Option('--state <state>', 'only those in this state').choices(foundStates))
    .addOption(new Option('--scheme <scheme>', 'only those of this scheme').choices(schemes))
    .option('--since <time>', 'only those started at or after this time', time)
    .option('--limit <n>', 'at most so many', integer(1, 1_000_000), 50)
    .action(
      cli.does(async (options) => {
        const { client, output } = await cli.open();
        const transactions: ListedTransaction[] = [];
        // One more than is shown tells that there are more.
        for await (const listed of listTransactions(client, { ...options, limit: options.limit + 1 })) {
          transactions.push(listed);
        }
        const more = transactions.length > options.limit;
        if (more) transactions.pop();
        output.result({ transactions, more }, () => describeList(transactions));
        if (more)
          output.note(`the newest ${options.limit}; there are more: give a higher --limit, or --state, --since`);
        return EXIT.done;
      }),
    );

  tx.command('show')
    .description('show a transaction: branches, attempts, errors, times; the exit code tells of its state')
    .argument('<gid>', "the transaction's id, such as order-cdnow-00001")
    .action(
      cli.does(async (gid) => {
        const { client, settings, output } = await cli.open();
        const transaction = await showTransaction(client, gid);
        const ui = linkTo(settings, transaction);
        output.result({ ...transaction, ui }, () => describeTransaction(transaction, ui));
        return exitOfState(transaction.state);
      }),
    );
}

/** The Web UI's page of the transaction, if it is known where the Web UI is. */
export function linkTo({ ui, namespace }: TemporalSettings, { gid, driver }: ShownTransaction): string | undefined {
  if (ui === undefined) return undefined;
  return new URL(`namespaces/${namespace}/workflows/${encodeURIComponent(gid)}/${driver.runId}/history`, `${ui}/`).href;
}
