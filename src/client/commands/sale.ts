import { randomUUID } from 'node:crypto';
import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { msToNumber } from '@temporalio/common/lib/time.js';
import {
  parseOfSale,
  parseOfSalePurchase,
  parseSale,
  parseSalePayment,
  parseSalePurchase,
  type ReclaimPlace,
  type ReclaimReport,
  type SaleAnswer,
  type SaleBooks,
  type SaleBuyer,
  type SalePurchase,
  type SaleRefusal,
} from '../../contracts/sale.js';
import { runJob } from '../../kit/client/index.js';
import type { Cli } from '../cli.js';
import { EXIT, type ExitCode } from '../exit.js';
import { duration, integer } from '../options.js';
import { openSaleBuyer } from '../sale.js';
import { describeAnswer, describeReclaim, describeSale, describeSalePurchase } from '../sale-words.js';
import { requireWorker } from '../session.js';

const MAX_UNITS = 1_000_000;

/** `sale open|buy|pay|show|close|reclaim`. */
export function addSaleCommands(cli: Cli): void {
  const sale = cli.root.command('sale').description('flash sales: many buyers at once, few units, and none sold twice');
  const job = async <Result>(workflow: string, ...input: unknown[]): Promise<Result> => {
    const session = await cli.open();
    await requireWorker(session);
    return runJob<Result>(session.client, session.settings, workflow, `${workflow}-${randomUUID()}`, input);
  };
  const tell = (name: string, books: SaleBooks | null): ExitCode => {
    if (books !== null) {
      cli.output.result(books, () => describeSale(books));
      return EXIT.done;
    }
    cli.output.result({ sale: name, state: 'unknown' }, () => `there is no sale ${name}`);
    return EXIT.undone;
  };

  sale
    .command('open')
    .description('open a sale: its units leave the stock; opening it again on the same terms changes nothing')
    .argument('<sale>', 'its name')
    .addOption(new Option('--units <n>', 'what is sold').argParser(integer(1, MAX_UNITS)).makeOptionMandatory())
    .option('--sku <sku>', 'of which article', 'cd')
    .option('--cents <cents>', 'what one unit costs', integer(0, MAX_UNITS), 100)
    .option('--per-purchase <n>', 'units of one purchase at most (default: any number)', integer(1, MAX_UNITS))
    .option('--per-customer <n>', 'units of one customer in all (default: any number)', integer(1, MAX_UNITS))
    .option('--hold <duration>', 'how long a purchase may wait for its payment', duration, '30 minutes' as const)
    .action(
      cli.does(async (name, { hold, ...given }) => {
        const asked = parseSale({ sale: name, ...given, holdMs: msToNumber(hold) });
        return tell(name, await job<SaleBooks | null>('openSale', asked));
      }),
    );

  sale
    .command('buy')
    .description('buy at a sale, from this process: the stock is deducted, then the order is submitted')
    .argument('<sale>', 'its name')
    .addOption(new Option('--customer <id>', 'who buys').makeOptionMandatory())
    .option('--units <n>', 'how many', integer(1, MAX_UNITS), 1)
    .option('--id <id>', 'the id of the purchase, which is made once under it (default: a new one)')
    .option('--wait <duration>', 'how long to wait for an answer', duration, '5s' as const)
    .addHelpText(
      'after',
      `
Exit codes: 0 sold; 1 sold out, or refused; 2 bad usage or input; 3 pending: ask again under the same id.

It needs DATABASE_URL (or DATABASE_URL_INVENTORY and DATABASE_URL_ORDERS), and no Temporal server.

Examples:
  $ backstitch sale open launch --units 100 --cents 4900 --per-customer 2
  $ backstitch sale buy launch --customer c1 --id p-1
  $ backstitch sale pay p-1 --payment pay-77`,
    )
    .action(
      cli.does(async (name, { customer, units, id: given, wait }) => {
        const purchase = parseSalePurchase({ id: given ?? randomUUID(), sale: name, customerId: customer, units });
        if (given === undefined)
          cli.output.note(`this purchase has the id ${purchase.id}: ask again with --id ${purchase.id}`);
        return buying(cli, (buyer) => buyer.buy(purchase, { withinMs: msToNumber(wait) }));
      }),
    );

  sale
    .command('pay')
    .description('say that the money of a purchase has come: it is sold for good')
    .argument('<id>', 'the id of the purchase')
    .addOption(
      new Option('--payment <id>', 'the id of the payment, as whoever took the money has it').makeOptionMandatory(),
    )
    .option('--wait <duration>', 'how long to wait for an answer', duration, '5s' as const)
    .addHelpText(
      'after',
      `
Exit codes: 0 paid; 1 it was reclaimed, another payment has paid it, or there is none: give the money back; 3 pending: ask again; 4 paid,
and its units had been released, or nobody knows by which payment: a person has to look at it.`,
    )
    .action(
      cli.does(async (purchase, { payment, wait }) => {
        const { id, paymentId } = parseSalePayment({ id: purchase, paymentId: payment });
        return buying(cli, (buyer) => buyer.pay(id, paymentId, { withinMs: msToNumber(wait) }));
      }),
    );

  sale
    .command('show')
    .description('the books of a sale; or one purchase')
    .argument('<sale>', 'its name; with --purchase, the id of a purchase')
    .option('--purchase', 'show a purchase', false)
    .action(
      cli.does(async (name, { purchase }) => {
        if (!purchase) return tell(name, await job<SaleBooks | null>('saleBooks', parseOfSale({ sale: name })));
        const of = parseOfSalePurchase({ id: name });
        const found = await job<SalePurchase | null>('salePurchase', of);
        cli.output.result(found ?? { ...of, stock: 'none' }, () =>
          found === null ? `nothing was occupied for purchase ${name}` : describeSalePurchase(found),
        );
        return found === null ? EXIT.undone : found.stock === 'occupied' ? EXIT.pending : EXIT.done;
      }),
    );

  sale
    .command('close')
    .description(
      'end a sale: nothing more is bought; what waits is paid or reclaimed, and what is left goes back to the stock',
    )
    .argument('<sale>', 'its name')
    .addHelpText(
      'after',
      '\nExit codes: 0 settled; 3 purchases wait for their payment, or to be reclaimed, or it could not be settled now: it is said why; 1 there is none.',
    )
    .action(
      cli.does(async (name) => {
        const books = await job<SaleBooks | null>('closeSale', parseOfSale({ sale: name }));
        const told = tell(name, books);
        return books !== null && books.state !== 'settled' ? EXIT.pending : told;
      }),
    );

  sale
    .command('reclaim')
    .description('take back what waits for its payment for too long, now; the schedule does it every five minutes')
    .option('--after <place>', 'go on where the last round was, as that says', place)
    .addHelpText(
      'after',
      '\nExit codes: 0 done; 1 some could not be reclaimed, or settled: each is named; 3 there may be more: go on with --after.',
    )
    .action(
      cli.does(async ({ after }) => {
        const report = await job<ReclaimReport>('reclaimStock', { after });
        cli.output.result(report, () => describeReclaim(report));
        if (report.failedCount > 0 || report.unsettled.length > 0) return EXIT.undone;
        return report.next === undefined ? EXIT.done : EXIT.pending;
      }),
    );
}

/** A time as the database writes it, a slash, and an id. */
function place(text: string): ReclaimPlace {
  const [, at, id] = /^(\d+-\d\d-\d\d [\d:.+-]+)\/(.+)$/.exec(text) ?? [];
  if (at === undefined || id === undefined)
    throw new InvalidArgumentError(`must be a place that a round of the reclaim has told`);
  return { at, id };
}

/** What is not simply undone. */
const refusals: Partial<Record<SaleRefusal, ExitCode>> = { 'unknown sale': EXIT.bad, 'paid by unknown': EXIT.stuck };
const exits = { sold: EXIT.done, torn: EXIT.stuck, pending: EXIT.pending } as const;

async function buying(cli: Cli, ask: (buyer: SaleBuyer) => Promise<SaleAnswer>): Promise<ExitCode> {
  const buyer = await openSaleBuyer();
  try {
    const answer = await ask(buyer);
    cli.output.result(answer, () => describeAnswer(answer));
    if (answer.answer === 'refused') return refusals[answer.why] ?? EXIT.undone;
    return exits[answer.answer];
  } finally {
    await buyer.close();
  }
}
