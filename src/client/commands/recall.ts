import { Option } from '@commander-js/extra-typings';
import type { Duration } from '@temporalio/common';
import { formatCents } from '../../contracts/money.js';
import {
  closeLostTransaction,
  recallOrderTransaction,
  refundRecalledTransaction,
} from '../../contracts/transactions.js';
import { transactionClient, type TransactionContract } from '../../kit/client/index.js';
import { account } from '../account.js';
import { callPatiently } from '../call.js';
import type { Cli } from '../cli.js';
import { EXIT, type ExitCode } from '../exit.js';
import { duration } from '../options.js';
import { checkAnswer, checkRecall } from '../recall.js';
import { isLifecycle } from '../lifecycle.js';
import { requireWorker, type Session } from '../session.js';
import { requestId, sendEvent } from './lifecycle.js';

const ID = 'the id of the order';
const HELP = `
Exit codes: 0 done; 1 undone or refused; 2 bad usage or input; 3 not ended yet, it goes on; 4 a person is needed.`;

const actor = () => new Option('--actor <name>', 'who asks; it is kept (default: the account that runs this)');
const wait = () =>
  new Option('--wait <duration>', 'how long to wait; it goes on by itself').argParser(duration).default('2 minutes');

/** `order recall`, `order returned`, `order lost`. */
export function addRecallCommands(cli: Cli, order: ReturnType<Cli['root']['command']>): void {
  order
    .command('recall')
    .description('recall a placed order: ask the carrier for its parcel, and tell the customer; no money moves yet')
    .argument('<id>', ID)
    .addOption(new Option('--reason <text>', 'why; it is kept').makeOptionMandatory())
    .addOption(actor())
    .addOption(requestId())
    .addOption(wait())
    .addHelpText('after', HELP)
    .action(
      cli.does(async (orderId, { wait: limit, requestId: request, reason, actor: who = account() }) => {
        const recall = recallOrderTransaction.parse({ orderId, reason, actor: who });
        const session = await cli.open();
        const sent = { wait: limit, requestId: request, reason: recall.reason, actor: recall.actor };
        if (await isLifecycle(session, orderId)) return sendEvent(session, orderId, 'recall', sent);
        const check = () => checkRecall(session, orderId);
        const told = () => `order ${orderId} is recalled: the carrier was asked for its parcel, and its customer told`;
        return run(session, recallOrderTransaction, recall, limit, check, told);
      }),
    );

  order
    .command('returned')
    .description('the carrier brought the parcel of a recalled order back: money, stock and points go back')
    .argument('<id>', ID)
    .addOption(wait())
    .addHelpText('after', HELP)
    .action(
      cli.does(async (orderId, { wait: limit }) => {
        const returned = refundRecalledTransaction.parse({ orderId });
        const session = await cli.open();
        if (await isLifecycle(session, orderId)) return sendEvent(session, orderId, 'returned', { wait: limit });
        const check = () => checkAnswer(session, orderId, 'returned');
        return run(session, refundRecalledTransaction, returned, limit, check, (result) => {
          const { refunded, unitsReturned, pointsReturned } = result;
          return `order ${orderId} came back: ${formatCents(refunded)} refunded, ${unitsReturned} units back in stock, ${pointsReturned} points back`;
        });
      }),
    );

  order
    .command('lost')
    .description(
      'the carrier lost the parcel of a recalled order: the order ends so, and nothing is refunded by itself',
    )
    .argument('<id>', ID)
    .option('--reason <text>', 'what the carrier says; it is kept')
    .addOption(actor())
    .addOption(wait())
    .addHelpText('after', HELP)
    .action(
      cli.does(async (orderId, { wait: limit, reason, actor: who = account() }) => {
        const lost = closeLostTransaction.parse({ orderId, reason, actor: who });
        const session = await cli.open();
        const sent = { wait: limit, reason: lost.reason, actor: lost.actor };
        if (await isLifecycle(session, orderId)) return sendEvent(session, orderId, 'lost', sent);
        const check = () => checkAnswer(session, orderId, 'lost');
        const told = () => `order ${orderId} ended as lost: nothing was refunded`;
        return run(session, closeLostTransaction, lost, limit, check, told);
      }),
    );
}

/** Runs a transaction, after a look whether it would be refused. */
async function run<Given, Input extends Given, Result>(
  session: Session,
  contract: TransactionContract<Given, Input, Result>,
  input: Input,
  limit: Duration,
  check: () => Promise<void>,
  told: (result: Result) => string,
): Promise<ExitCode> {
  const { client, settings, output } = session;
  const gid = contract.gid(input);
  await requireWorker(session);
  await check();
  const transaction = transactionClient(client, { taskQueue: settings.taskQueue }).of(contract);
  const result = await callPatiently(output, gid, transaction, input, { wait: limit });
  output.result({ gid, state: 'committed', result }, () => told(result));
  return EXIT.done;
}
