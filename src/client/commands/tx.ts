import { Option } from '@commander-js/extra-typings';
import type { Duration } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import {
  foundStates,
  listTransactions,
  schemes,
  operate,
  promote,
  TransactionNotFound,
  type ListedTransaction,
  type OperatorAction,
  type OperatorOrder,
  type ShownTransaction,
} from '../../kit/client/index.js';
import type { TemporalSettings } from '../../config.js';
import type { Cli } from '../cli.js';
import { EXIT, exitOfState } from '../exit.js';
import { duration, integer, time } from '../options.js';
import { requireWorker } from '../session.js';
import { shown } from '../show.js';
import { describeList, describeTransaction } from '../words.js';
import { addRefusalsCommand } from './refusals.js';

const GID = "the transaction's id, such as order-cdnow-00001";
const actor = () => new Option('--actor <name>', 'who does it; it is kept').makeOptionMandatory();
const reason = () => new Option('--reason <text>', 'why; it is kept').makeOptionMandatory();

/** `tx list`, `tx show`, and what an operator may do to a transaction that runs. */
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
        const { client, settings, output } = await cli.open();
        const onMissing = (line: string) => {
          output.note(line);
        };
        const transactions: ListedTransaction[] = [];
        // One more than is shown tells that there are more.
        for await (const listed of listTransactions(client, {
          ...{ ...options, limit: options.limit + 1, where: settings, onMissing },
        })) {
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
    .argument('<gid>', GID)
    .action(
      cli.does(async (gid) => {
        const session = await cli.open();
        const { settings, output } = session;
        const transaction = await shown(session, gid);
        const ui = linkTo(settings, transaction);
        output.result({ ...transaction, ui }, () => describeTransaction(transaction, ui));
        return exitOfState(transaction.state);
      }),
    );

  addOrder(cli, tx, 'cancel', 'undo a transaction that is not past its pivot');
  addOrder(cli, tx, 'pause', 'begin nothing more in a transaction, neither steps nor undo, until it is resumed');
  addOrder(cli, tx, 'resume', 'let a paused transaction go on');
  addOrder(cli, tx, 'deadline', 'move the deadline of a transaction that is not past its pivot');

  addRefusalsCommand(tx, cli);

  tx.command('promote')
    .description('give a transaction that a process drives (lane direct) to a workflow, which goes on with it')
    .argument('<gid>', GID)
    .addOption(actor())
    .addOption(reason())
    .addHelpText(
      'after',
      `
The process that drives it learns of it at its next decision, and follows. To cancel it, to pause it or to move its
deadline, promote it first.

Exit codes: 0 promoted; 1 it has ended, or a workflow has it already; 2 there is none with this id, or no worker to ask.`,
    )
    .action(
      cli.does(async (gid, order) => {
        const session = await cli.open();
        await requireWorker(session);
        const promoted = await promote(session.client, session.settings, { gid, ...order });
        session.output.result(promoted, () => `${gid}: promoted by ${order.actor}: a workflow goes on with it`);
        return EXIT.done;
      }),
    );
}

function addOrder(cli: Cli, tx: ReturnType<Cli['root']['command']>, action: OperatorAction, what: string): void {
  const command = tx.command(action).description(what).argument('<gid>', GID).addOption(actor()).addOption(reason());
  if (action === 'deadline') {
    command
      .addOption(new Option('--at <time>', 'the new deadline').argParser(time).conflicts('in'))
      .option('--in <duration>', 'the new deadline, from now', duration);
  }
  command.action(
    cli.does(async (gid, options) => {
      const { actor, reason, at, in: within } = options as typeof options & { at?: Date; in?: Duration };
      const deadlineAt = at?.getTime() ?? (within === undefined ? undefined : Date.now() + msToNumber(within));
      if (action === 'deadline' && deadlineAt === undefined)
        return command.error('error: give --at TIME or --in DURATION');
      const session = await cli.open();
      await requireWorker(session);
      const order: OperatorOrder = { action, actor, reason, ...(deadlineAt !== undefined && { deadlineAt }) };
      const note = await operate(session.client, gid, order).catch(async (error: unknown) => {
        if (!(error instanceof TransactionNotFound)) throw error;
        // A row of a state table waits under an id of its own.
        const found = await shown(session, gid).catch(() => undefined);
        if (found === undefined || found.gid === gid) throw error;
        return operate(session.client, found.gid, order);
      });
      session.output.result({ gid, ...note }, () => `${gid}: ${action} by ${actor}`);
      return EXIT.done;
    }),
  );
}

/** The Web UI's page of the transaction, if it is known where the Web UI is. */
export function linkTo({ ui, namespace }: TemporalSettings, { gid, driver }: ShownTransaction): string | undefined {
  if (ui === undefined) return undefined;
  const pageOf = (workflow: string, more = '') =>
    new URL(`namespaces/${namespace}/workflows/${encodeURIComponent(workflow)}${more}`, `${ui}/`).href;
  switch (driver.kind) {
    case 'workflow':
      return pageOf(gid, `/${driver.runId}/history`);
    case 'group':
      return pageOf(driver.owner.replace(/^group:|#\d+$/g, ''));
    case 'process':
      return undefined;
  }
}
