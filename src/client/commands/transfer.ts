import { randomUUID } from 'node:crypto';
import { Option } from '@commander-js/extra-typings';
import { transferSagaLockedTransaction, transferTransactions } from '../../contracts/transactions.js';
import { formatCents } from '../../contracts/money.js';
import { InvalidInput } from '../../kit/client/index.js';
import { callPatiently } from '../call.js';
import { calling } from '../calling.js';
import type { Cli } from '../cli.js';
import { EXIT } from '../exit.js';
import { duration } from '../options.js';
import { noteId, requireWorker } from '../session.js';
import { transferByStateTable } from './state-table.js';
import { legsOf, requireAccounts } from '../transfer.js';

const schemes = Object.keys(transferTransactions) as (keyof typeof transferTransactions)[];

/** `transfer`. */
export function addTransferCommand(cli: Cli): void {
  cli.root
    .command('transfer')
    .description('move money between accounts of the banks; a transfer is made once, however often it is asked for')
    .addOption(
      new Option('--scheme <scheme>', 'how it is kept together, if several banks are in it')
        .choices([...schemes, 'state-table'] as const)
        .makeOptionMandatory(),
    )
    .addOption(new Option('--from <bank:account:cents...>', 'what gives, 1 to 20 accounts').makeOptionMandatory())
    .addOption(
      new Option(
        '--to <bank:account:cents...>',
        'what gets, 1 to 20 accounts; a single one gets the sum if it names no amount',
      ).makeOptionMandatory(),
    )
    .option('--id <id>', 'the id of the transfer, the same in every scheme (default: a new one)')
    .option('--lock', 'of a saga: keeps all other transfers from its accounts until it has ended (docs/isolation.md)')
    .addOption(
      new Option(
        '--lane <lane>',
        "who drives it: a workflow, with activities (durable) or local activities (lean); of a saga also with others (grouped), or 'direct': this process, which needs the banks' databases, DATABASE_URL",
      ).choices(['durable', 'lean', 'grouped', 'direct'] as const),
    )
    .addOption(
      new Option('--undo <how>', "'background': once it is decided that it is undone, do not wait for the undo")
        .choices(['wait', 'background'] as const)
        .default('wait' as const),
    )
    .option('--deadline <duration>', 'undo what is not decided by then; of a message: ask its bank', duration)
    .option('--wait <duration>', 'how long to wait for it; it goes on by itself', duration, '2 minutes' as const)
    .addHelpText(
      'after',
      `
Exit codes: 0 made; 1 undone; 2 bad usage or input, nothing was started; 3 not ended yet; 4 a person is needed.

By the scheme outbox it is made when its bank has debited the account and added messages for the others: their credits follow, and one that
is refused is a dead letter (messages dead).
Of a message this process does the debit itself: it needs the database of the bank that gives, such as DATABASE_URL_BANK_A, or DATABASE_URL.
By the scheme state-table this process calls the banks itself, and needs their databases, DATABASE_URL, and no server: one account
gives, another gets. A worker goes on with what is pending; nothing is undone (docs/state-table.md).

Examples:
  $ backstitch bank open
  $ backstitch transfer --scheme tcc --from bank_a:alice:3000 bank_b:bob:5000 --to bank_c:carol
  $ backstitch transfer --scheme message --from bank_a:alice:3000 --to bank_b:bob:1000 bank_c:carol:2000
  $ backstitch transfer --scheme saga --id rent-7 --from bank_a:alice:3000 --to bank_b:bob:1000 bank_c:carol:2000`,
    )
    .action(
      cli.does(async ({ scheme, lock = false, from, to, id: given, ...call }) => {
        const id = given ?? randomUUID();
        if (scheme === 'state-table') {
          return transferByStateTable(
            cli,
            { id, ...legsOf({ from, to }) },
            { ...call, lock, isNew: given === undefined },
          );
        }
        if (lock && scheme !== 'saga') {
          const rule = 'holds what it needs by itself: --lock is for --scheme saga';
          throw new InvalidInput([{ field: '--scheme', value: scheme, rule }]);
        }
        if (scheme === 'outbox' && call.lane === 'direct') {
          const rule = 'is driven by a workflow: its bank is its only participant';
          throw new InvalidInput([
            { field: '--lane', value: call.lane, rule: `is for sagas of several steps; --scheme outbox ${rule}` },
          ]);
        }
        const contract = lock ? transferSagaLockedTransaction : transferTransactions[scheme];
        // What is given is checked before anyone is asked for anything.
        const transfer = contract.parse({ id, ...legsOf({ from, to }) });
        const producer = scheme === 'message' ? transfer.from[0]?.bank : undefined;
        return calling(cli, { ...contract, ...call, producer }, async (calls) => {
          await requireWorker(calls);
          await requireAccounts(calls, transfer);
          if (given === undefined) noteId(calls, 'transfer', id);
          const gid = contract.gid(transfer);
          const made = calls.sendTransfer ?? calls.transactions.of(contract);
          const result = await callPatiently(calls.output, gid, made, transfer, call);
          calls.output.result({ gid, state: 'committed', result }, () => {
            const [sources, targets] = [transfer.from.length, transfer.to.length];
            const made = `transfer ${id} was made: ${formatCents(result.amount)} from ${accounts(sources)}`;
            return scheme === 'outbox'
              ? `${made}, and by messages to ${accounts(targets)}: see messages list`
              : `${made} to ${accounts(targets)}`;
          });
          return EXIT.done;
        });
      }),
    );
}

function accounts(count: number): string {
  return count === 1 ? '1 account' : `${count} accounts`;
}
