import { Option } from '@commander-js/extra-typings';
import { orderGid, type PlacedOrder, type PlaceOrder, type PlaceOrderInput } from '../../contracts/place-order.js';
import {
  placeOrderChoreographedTransaction,
  placeOrderTransactions,
  type PlaceOrderTransaction,
} from '../../contracts/transactions.js';
import {
  InvalidInput,
  TransactionNotFound,
  type CallOptions,
  type ShownTransaction,
  type Transaction,
} from '../../kit/client/index.js';
import { callPatiently } from '../call.js';
import { calling } from '../calling.js';
import type { Cli } from '../cli.js';
import { EXIT, exitOfState, type ExitCode } from '../exit.js';
import { duration, integer } from '../options.js';
import { isLifecycle } from '../lifecycle.js';
import { lookAtOrder } from '../order-path.js';
import { readOrders } from '../orders-file.js';
import { placeOrders, type PlacingReport } from '../place-orders.js';
import { recallsOf } from '../recall.js';
import { requireWorker, type Session } from '../session.js';
import { shown } from '../show.js';
import { abortOnSignal } from '../../signals.js';
import { describeOrder, describePlacing } from '../words.js';
import { payChoreographed, placeChoreographed, showChoreographed } from './choreography.js';
import { addLifecycleCommands, placeLifecycle, requestId, sendEvent, showLifecycle } from './lifecycle.js';
import { addRecallCommands } from './recall.js';
import { placeByStateTable } from './state-table.js';

/** `order place`, `order show`, and the recall of an order. */
export function addOrderCommands(cli: Cli): void {
  const order = cli.root.command('order').description('place orders, and see what became of them');

  const place = order
    .command('place')
    .description('place one order, or all orders of a file; an order is placed once, however often it is asked for')
    .addOption(new Option('--file <path>', 'a CSV file of orders').conflicts('order'))
    .addOption(new Option('--order <json>', 'one order'))
    .addOption(
      new Option(
        '--scheme <scheme>',
        'saga: each step at once, undone if another fails; tcc: all is held first, then made; state-table: deduct the stock and create the order, which then waits for its payment',
      )
        .choices(['saga', 'tcc', 'state-table'] as const)
        .default('saga' as const),
    )
    .option('--stock-first', 'reserve the stock before the payment')
    .addOption(
      new Option(
        '--choreographed',
        'no orchestrator: each service reacts to what another one tells (docs/choreography.md); takes one order',
      ).conflicts(['file', 'scheme', 'stockFirst', 'announce', 'lane', 'undo', 'deadline']),
    )
    .addOption(
      new Option(
        '--lifecycle',
        'with its whole life, for weeks: it is opened, and then waits to be paid, picked, packed, shipped (docs/state-machine.md); takes one order',
      ).conflicts([
        'file',
        'scheme',
        'stockFirst',
        'announce',
        'lane',
        'undo',
        'deadline',
        'choreographed',
        'payLater',
      ]),
    )
    .option(
      '--pay-later',
      'of a choreographed order: the customer pays by `order pay`, within 30 minutes (payWithinMs)',
    )
    .option('--announce', 'tell the customer at once that the order came in, and again if it comes to nothing')
    .addOption(
      new Option(
        '--lane <lane>',
        "who drives it: a workflow, with activities (durable) or local activities (lean), or with others of the file (grouped); or 'direct': this process, which needs the services' databases, DATABASE_URL",
      ).choices(['durable', 'lean', 'grouped', 'direct'] as const),
    )
    .addOption(
      new Option('--undo <how>', "'background': once it is decided that it is undone, do not wait for the undo")
        .choices(['wait', 'background'] as const)
        .default('wait' as const),
    )
    .option('--deadline <duration>', 'undo what is not shipped by then', duration)
    .option('--wait <duration>', 'how long to wait for an order; it goes on by itself', duration, '2 minutes' as const)
    .option(
      '--concurrency <n>',
      'orders of a file under way at a time, 1 to 200; default 20, in the lane grouped 100',
      integer(1, 200),
    )
    .addHelpText(
      'after',
      `
Exit codes: 0 placed; 1 undone; 2 bad usage or input, nothing was started; 3 not ended yet; 4 a person is needed.

In the lane 'direct' no workflow is started unless there is trouble: what this process cannot do, or leaves behind when it
is ended, a worker takes over.

Examples:
  $ backstitch order place --order '{"orderId":"1","customerId":"7","units":2,"amount":2933}'
  $ backstitch order place --file examples/orders.csv --concurrency 50
  $ backstitch order place --file examples/orders.csv --lane grouped
  $ backstitch order place --file examples/orders.csv --scheme tcc
  $ backstitch order place --lifecycle --order '{"orderId":"3","customerId":"7","units":1,"amount":990,"coupon":"welcome-7"}'
  $ backstitch order place --choreographed --order '{"orderId":"2","customerId":"7","units":1,"amount":990}'
  $ DATABASE_URL=postgres://user:password@host:5432 backstitch order place --file examples/orders.csv --lane direct`,
    );
  place.action(
    cli.does(async ({ file, order: json, scheme, stockFirst, announce, concurrency, ...options }) => {
      const { choreographed, payLater, lifecycle, ...call } = options;
      if (lifecycle) {
        if (json === undefined) return place.error('error: give --order JSON: --lifecycle takes one order');
        return placeLifecycle(cli, json, call.wait);
      }
      if (choreographed) {
        if (json === undefined) return place.error('error: give --order JSON: --choreographed takes one order');
        return placeChoreographed(cli, json, { wait: call.wait, payLater });
      }
      if (payLater) return place.error('error: --pay-later is for --choreographed');
      const all: Wanted = { ...(stockFirst && { sequence: 'stock-first' }), ...(announce && { announce }) };
      if (scheme === 'state-table') {
        if (json === undefined) return place.error('error: give --order JSON: --scheme state-table takes one order');
        return placeByStateTable(cli, parseOrder(placeOrderTransactions.tcc, json, all), call);
      }
      const contract = placeOrderTransactions[scheme];
      const placing = (work: (place: Placing) => Promise<ExitCode>) =>
        calling(cli, { ...contract, ...call }, (calls) =>
          work({ ...calls, placeOrder: calls.transactions.of(contract) }),
        );
      // What is given is checked before anyone is asked for anything.
      if (file !== undefined) {
        const orders = await readOrders(file, all);
        const atATime = concurrency ?? (call.lane === 'grouped' ? 100 : 20);
        return placing((place) => placeFile(place, orders, call, atATime));
      }
      if (json === undefined) return place.error('error: give --file FILE or --order JSON');
      const given = parseOrder(contract, json, all);
      return placing((place) => placeOne(place, given, call));
    }),
  );

  const show = order
    .command('show')
    .description("what became of an order: its transaction in words; the exit code tells of its state, as 'place' does")
    .argument('<id>', 'the id of the order')
    .option(
      '--mermaid',
      'draw the path that the order took, in Mermaid: of a choreographed order, or of one with a lifecycle',
    );
  show.action(
    cli.does(async (id, { mermaid = false }) => {
      const session = await cli.open();
      const { client, output } = session;
      if (await isLifecycle(session, id)) return showLifecycle(session, id, mermaid);
      const transaction = await shownIfKnown(session, id);
      if (transaction === undefined) return showChoreographed(session, id, mermaid);
      // Its transaction has only opened it: what became of it since the services have told.
      const isOpened =
        transaction.transaction === placeOrderChoreographedTransaction.workflow && transaction.state === 'committed';
      if (isOpened) return showChoreographed(session, id, mermaid);
      if (mermaid)
        return show.error(
          'error: --mermaid is for choreographed orders, once they are created, and for those with a lifecycle',
        );
      const recalls = await recallsOf(client, id);
      output.result({ orderId: id, ...transaction, recalls }, () => describeOrder(id, transaction, recalls));
      return exitOfState(transaction.state);
    }),
  );

  order
    .command('pay')
    .description(
      'pay an order that waits for it: a choreographed one, or one with a lifecycle; asked again it is paid once',
    )
    .argument('<id>', 'the id of the order')
    .addOption(requestId())
    .option('--wait <duration>', 'how long to wait; it goes on by itself', duration, '2 minutes' as const)
    .addHelpText(
      'after',
      '\nExit codes: 0 paid; 1 refused: nothing has changed; 2 nothing was started; 3 not known: ask again, it is paid once.',
    )
    .action(
      cli.does(async (id, options) => {
        const session = await cli.open();
        if (await isLifecycle(session, id)) return sendEvent(session, id, 'pay', options);
        return payChoreographed(cli, id);
      }),
    );

  addLifecycleCommands(cli, order);

  addRecallCommands(cli, order);
}

/** An order's transaction; undefined: it is known no more, and the order is a choreographed one. @throws as {@link shown} */
async function shownIfKnown(session: Session, id: string): Promise<ShownTransaction | undefined> {
  try {
    return await shown(session, orderGid(id));
  } catch (error) {
    if (!(error instanceof TransactionNotFound)) throw error;
    if ((await lookAtOrder(session, id)).path === null) throw error;
    return undefined;
  }
}

/** What the command line wants of every order. */
type Wanted = Pick<PlaceOrderInput, 'sequence' | 'announce'>;

function parseOrder(contract: PlaceOrderTransaction, json: string, all: Wanted): PlaceOrder {
  let given: unknown;
  try {
    given = JSON.parse(json);
  } catch (error) {
    throw new InvalidInput([{ field: '', value: json, rule: `--order is no JSON: ${(error as Error).message}` }]);
  }
  if (Object.keys(all).length > 0 && typeof given === 'object') given = { ...given, ...all };
  return contract.parse(given as PlaceOrderInput);
}

/** What places orders. */
interface Placing extends Session {
  readonly placeOrder: Transaction<PlaceOrderInput, PlacedOrder>;
}

async function placeOne(place: Placing, order: PlaceOrderInput, call: CallOptions): Promise<ExitCode> {
  const { output, placeOrder } = place;
  const gid = orderGid(order.orderId);
  const result = await callPatiently(output, gid, placeOrder, order, call);
  output.result({ gid, state: 'committed', result }, () => {
    const { orderId, paymentId, shipmentId, pointsSpent } = result;
    return `order ${orderId} was placed: payment ${paymentId}, shipment ${shipmentId}, ${pointsSpent} points spent`;
  });
  return EXIT.done;
}

async function placeFile(
  place: Placing,
  orders: readonly PlaceOrder[],
  call: CallOptions,
  concurrency: number,
): Promise<ExitCode> {
  const { output, placeOrder } = place;
  await requireWorker(place);
  const interrupted = abortOnSignal(() => undefined);
  const bar = output.progress(orders.length, 'orders');
  const report = await placeOrders(orders, {
    placeOrder,
    concurrency,
    call,
    signal: interrupted,
    onOutcome: () => {
      bar.step();
    },
  }).finally(() => {
    bar.stop();
  });
  output.result({ orders: orders.length, ...report }, () => describePlacing(report, orders.length));
  return exitOfReport(report);
}

function exitOfReport({ stuck, pending, stopped, undone, conflict }: PlacingReport): ExitCode {
  if (stuck > 0) return EXIT.stuck;
  if (pending > 0 || stopped !== undefined) return EXIT.pending;
  return undone + conflict > 0 ? EXIT.undone : EXIT.done;
}
