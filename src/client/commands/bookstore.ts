import { randomUUID } from 'node:crypto';
import { Option } from '@commander-js/extra-typings';
import {
  deliverBookSchema,
  demoBooks,
  giveUpSchema,
  merchantAccount,
  ofPurchaseSchema,
  purchaseGid,
  purchaseSides,
  restockSchema,
  type DeliverBook,
  type MissedPurchases,
  type PulledPurchases,
  type PurchaseState,
} from '../../contracts/bookstore.js';
import { formatCents } from '../../contracts/money.js';
import { buyBookTransaction } from '../../contracts/transactions.js';
import type { BankName, OpenAccounts } from '../../contracts/transfer.js';
import { InvalidInput, parserOf, transactionClient, TransactionNotFound } from '../../kit/client/index.js';
import { askBanks } from '../banks.js';
import { copiesOf, describeMissed, describePulled, describePurchase, isDone, isOpen } from '../bookstore.js';
import { callPatiently } from '../call.js';
import type { Cli } from '../cli.js';
import { EXIT, exitOfState, NotReady } from '../exit.js';
import { duration } from '../options.js';
import { noteId, requireWorker, type Session } from '../session.js';
import { shown } from '../show.js';
import { centsOf, requireAccounts } from '../transfer.js';

const parseDelivery = parserOf(deliverBookSchema);
const parseGivingUp = parserOf(giveUpSchema);
const parseId = parserOf(ofPurchaseSchema);
const parseRestock = parserOf(restockSchema);

/** `bookstore open|buy|show|restock|missed|give-up|pull`. */
export function addBookstoreCommands(cli: Cli): void {
  const bookstore = cli.root
    .command('bookstore')
    .description('books that are paid by a bank account: the warehouse and the merchant are told by messages');
  const open = async (): Promise<Session> => {
    const session = await cli.open();
    await requireWorker(session);
    return session;
  };

  bookstore
    .command('open')
    .description(
      "open the merchant's account, and deliver books to the warehouse; opening again adds only what is missing",
    )
    .argument('[book:copies...]', 'the books, with their copies in all (default: 10 each of emma and dracula)')
    .action(
      cli.does(async (given) => {
        const books = given.length === 0 ? demoBooks : given.map(deliveryOf);
        const { bank, account } = merchantAccount;
        const opening: OpenAccounts = { bank, accounts: [account], cents: 0 };
        const session = await open();
        await askBanks(session, 'openBookstore', opening, books);
        session.output.result({ merchant: merchantAccount, books }, () =>
          [
            `${bank}:${account} is open`,
            ...books.map((delivery) => `the warehouse was delivered ${copiesOf(delivery)} in all`),
          ].join('\n'),
        );
        return EXIT.done;
      }),
    );

  bookstore
    .command('buy')
    .description('buy copies of a book; a purchase is made once, however often it is asked for')
    .addOption(new Option('--from <bank:account>', 'who pays').makeOptionMandatory())
    .addOption(new Option('--book <book>', 'what is bought').makeOptionMandatory())
    .addOption(new Option('--cents <cents>', 'what all copies cost together').makeOptionMandatory())
    .option('--copies <n>', 'how many', '1')
    .option('--id <id>', 'the id of the purchase (default: a new one)')
    .option('--wait <duration>', 'how long to wait for the debit; it goes on by itself', duration, '2 minutes' as const)
    .addHelpText(
      'after',
      `
Exit codes: 0 made; 1 refused, nothing was done; 2 bad usage or input, nothing was started; 3 not ended yet; 4 a person is needed.

It is made when the account is debited: the warehouse and the merchant are told until each has acknowledged it (bookstore show).

Examples:
  $ backstitch bookstore open
  $ backstitch bookstore buy --id b-1 --from bank_a:alice --book emma --copies 2 --cents 10000
  $ backstitch bookstore show b-1`,
    )
    .action(
      cli.does(async ({ id: given, from, book, cents, copies, wait }) => {
        const id = given ?? randomUUID();
        const purchase = buyBookTransaction.parse({
          ...{ id, from: accountOf(from), book },
          // What is no number is refused by whoever knows what it is for.
          copies: centsOf(copies) as number,
          cents: centsOf(cents) as number,
        });
        const session = await open();
        await requireAccounts(session, { from: [{ ...purchase.from, amount: purchase.cents }], to: [] });
        const gid = purchaseGid(id);
        if (given === undefined) noteId(session, 'purchase', id);
        const buy = transactionClient(session.client, session.settings).of(buyBookTransaction);
        const result = await callPatiently(session.output, gid, buy, purchase, { wait });
        session.output.result(
          { gid, state: 'committed', result },
          () =>
            `purchase ${id} was made: ${copiesOf(result)} for ${formatCents(result.cents)}; the warehouse and the merchant are told: see bookstore show ${id}`,
        );
        return EXIT.done;
      }),
    );

  bookstore
    .command('show')
    .description('how far a purchase is')
    .argument('<id>', 'its id')
    .addHelpText(
      'after',
      '\nExit codes: 0 done; 3 in progress; 4 a dead letter waits for a person; 1 there is none, it was refused, or a part was given up.',
    )
    .action(
      cli.does(async (given) => {
        const { id } = parseId({ id: given });
        const session = await open();
        const purchase = await askBanks<PurchaseState | null>(session, 'purchaseState', id);
        if (purchase === null) return withoutRow(session, id);
        session.output.result(purchase, () => describePurchase(purchase));
        if (isOpen(purchase)) return purchase.dead.length > 0 ? EXIT.stuck : EXIT.pending;
        return isDone(purchase) ? EXIT.done : EXIT.undone;
      }),
    );

  bookstore
    .command('restock')
    .description('deliver more copies of a book to the warehouse: what waits for them is tried again within a minute')
    .addOption(new Option('--book <book>', 'what is delivered').makeOptionMandatory())
    .addOption(new Option('--copies <n>', 'how many more').makeOptionMandatory())
    .option('--id <id>', 'the id of the delivery, which comes once under it (default: a new one)')
    .action(
      cli.does(async ({ book, copies, id: given }) => {
        const id = given ?? randomUUID();
        const delivery = parseRestock({ id, book, copies: centsOf(copies) as number });
        const session = await open();
        if (given === undefined) noteId(session, 'delivery', id);
        await askBanks(session, 'restockBook', delivery);
        session.output.result(delivery, () => `the warehouse was delivered ${copiesOf(delivery)} more`);
        return EXIT.done;
      }),
    );

  bookstore
    .command('missed')
    .description('the purchases that a side has not acknowledged: the oldest 100')
    .addOption(side())
    .action(
      cli.does(async ({ for: asked }) => {
        const session = await open();
        const missed = await askBanks<MissedPurchases>(session, 'missedPurchases', { side: asked });
        session.output.result(missed, () => describeMissed(missed));
        return missed.unread.length === 0 ? EXIT.done : EXIT.undone;
      }),
    );

  bookstore
    .command('give-up')
    .description('end what a side has not done of a purchase: it never does it, and its message is discarded')
    .argument('<id>', 'the id of the purchase')
    .addOption(side())
    .addOption(new Option('--actor <name>', 'who decides; it is kept').makeOptionMandatory())
    .addOption(new Option('--reason <text>', 'why; it is kept').makeOptionMandatory())
    .addHelpText(
      'after',
      '\nExit codes: 0 given up; 1 it is not, the side has done its part; or there is no such purchase.\n\nNothing is paid back by it.',
    )
    .action(
      cli.does(async (id, { for: asked, actor, reason }) => {
        const order = parseGivingUp({ id, side: asked, actor, reason });
        const session = await open();
        const purchase = await askBanks<PurchaseState | null>(session, 'giveUpPurchase', order).catch(
          (error: unknown) => {
            // The answer may be lost: it is done once.
            throw error instanceof NotReady ? new Error(error.message, { cause: error }) : error;
          },
        );
        if (purchase === null) return withoutRow(session, order.id);
        const isGivenUp = purchase[asked] === 'given up';
        const what = isGivenUp ? 'is given up' : 'is not given up: it is done';
        session.output.result(purchase, () => `the part of the ${asked} ${what}\n${describePurchase(purchase)}`);
        return isGivenUp ? EXIT.done : EXIT.undone;
      }),
    );

  bookstore
    .command('pull')
    .description('have a side handle at once what it missed; what the relay delivers besides is known, and done once')
    .addOption(side())
    .addHelpText(
      'after',
      '\nExit codes: 0 it has missed nothing any more; 3 some wait, or a bank did not answer; 4 some were not handled: messages dead.',
    )
    .action(
      cli.does(async ({ for: asked }) => {
        const session = await open();
        const pulled = await askBanks<PulledPurchases>(session, 'pullPurchases', { side: asked });
        session.output.result(pulled, () => describePulled(pulled));
        if (pulled.failed > 0) return EXIT.stuck;
        return pulled.waiting + pulled.unread.length > 0 || pulled.down !== undefined ? EXIT.pending : EXIT.done;
      }),
    );
}

function side() {
  return new Option('--for <side>', 'which side').choices(purchaseSides).makeOptionMandatory();
}

/** What is known of a purchase that no bank has: it was refused, or has not begun, or there is none. */
async function withoutRow(session: Session, id: string) {
  try {
    const { state, report } = await shown(session, purchaseGid(id));
    const why = report === undefined ? '' : `: ${report.cause.type}: ${report.cause.message}`;
    const words = { compensated: 'was refused', committed: 'was made just now: ask again' } as const;
    const what = state === 'compensated' || state === 'committed' ? words[state] : `is not made yet (${state})`;
    session.output.result({ id, state, cause: report?.cause ?? null }, () => `purchase ${id} ${what}${why}`);
    return state === 'committed' ? EXIT.pending : exitOfState(state);
  } catch (error) {
    if (!(error instanceof TransactionNotFound)) throw error;
    session.output.result({ id, state: 'unknown' }, () => `there is no purchase ${id}`);
    return EXIT.undone;
  }
}

function deliveryOf(text: string): DeliverBook {
  const [book = '', copies = '', ...more] = text.split(':');
  if (book !== '' && copies !== '' && more.length === 0) {
    return parseDelivery({ book, copies: centsOf(copies) as number });
  }
  throw new InvalidInput([{ field: 'book', value: text, rule: 'must be BOOK:COPIES, such as emma:10' }]);
}

function accountOf(text: string) {
  const [bank = '', account = '', ...more] = text.split(':');
  if (bank !== '' && account !== '' && more.length === 0) return { bank: bank as BankName, account };
  throw new InvalidInput([{ field: '--from', value: text, rule: 'must be BANK:ACCOUNT, such as bank_a:alice' }]);
}
