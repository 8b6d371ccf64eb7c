import { Option } from '@commander-js/extra-typings';
import { Client } from '@temporalio/client';
import { linkTo } from '../client/commands/tx.js';
import { integer } from '../client/options.js';
import { InvalidOrdersFile, readOrders } from '../client/orders-file.js';
import { Output } from '../client/output.js';
import { placeOrders, type OrderOutcome } from '../client/place-orders.js';
import { openShop, proveBooks } from '../client/shop.js';
import { describeBooks, describePlacing, describeTransaction } from '../client/words.js';
import { orderGid, type PlaceOrder } from '../contracts/place-order.js';
import { placeOrderTransaction } from '../contracts/transactions.js';
import { showTransaction, transactionClient } from '../kit/client/index.js';
import { boot, type Running } from './boot.js';
import { developmentCommand, serverOptions } from './options.js';
import { untilSignal } from './servers.js';

/** What each customer's wallet starts with, in cents. */
const WALLET = 10_000;
const POINTS = 1_000;

const command = developmentCommand('npm run demo --', 'the shop on real orders, from nothing to proven books')
  .option('--file <path>', 'a CSV file of orders', 'examples/orders.csv')
  .option('--limit <n>', 'place the first so many', integer(1, 10_000_000), 300)
  .option('--all', 'place all of them')
  .option('--concurrency <n>', 'orders under way at a time', integer(1, 200), 20)
  .addOption(
    new Option('--lane <lane>', 'how the steps are carried').choices(['durable', 'lean']).default('durable' as const),
  )
  .option('--stock-first', 'reserve the stock before the payment')
  .option('--exit', 'end when all is done, instead of staying up')
  .parse();

async function main(): Promise<number> {
  const options = command.opts();
  const output = new Output(false);
  const orders = await readOrders(options.file, {
    sequence: options.stockFirst ? 'stock-first' : 'pay-first',
    limit: options.all ? undefined : options.limit,
  });
  const signal = untilSignal();
  const begun = performance.now();
  const running = await boot({
    ...serverOptions(options),
    onProgress: (line) => {
      output.note(line);
    },
  });
  output.note(`serving after ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  const interrupt = new AbortController();
  const ended = Promise.race([signal, running.died]).then((end) => {
    interrupt.abort();
    return end;
  });
  try {
    const work = run(running, orders, output, interrupt.signal);
    work.catch(() => undefined); // Ctrl-C comes first: what it breaks is not reported.
    const done = await Promise.race([work, ended]);
    if (typeof done !== 'boolean') return interrupted(done);
    if (options.exit) return done ? 0 : 1;
    output.note('\nStaying up, so that you can look around; Ctrl-C stops, and --exit would not wait.');
    output.note(`  npm run client -- --address ${running.temporal.address} tx list --state compensated`);
    const end = await ended;
    if (end instanceof Error) return interrupted(end);
    return done ? 0 : 1;
  } finally {
    await running.stop();
  }

  function interrupted(end: Error | NodeJS.Signals): number {
    output.note(end instanceof Error ? end.message : `${end}: stopped; what was started goes on at the next start`);
    return 1;
  }
}

/** Places the orders and proves the books; true if every order ended and the books balance. */
async function run(running: Running, orders: PlaceOrder[], output: Output, signal: AbortSignal): Promise<boolean> {
  const { temporal, shop } = running;
  // Made from the worker's own connection, so that a workflow's first task needs no way through the server.
  const client = new Client({ connection: shop.connection, namespace: temporal.namespace });
  const { taskQueue } = temporal;
  const { lane } = command.opts();
  const placeOrder = transactionClient(client, { taskQueue, eagerStart: true }).of(placeOrderTransaction);

  const customers = [...new Set(orders.map(({ customerId }) => customerId))];
  const units = stockFor(orders);
  await openShop(client, temporal, { customers, walletCents: WALLET, points: POINTS, sku: 'cd', units });

  const examples: Partial<Record<OrderOutcome['outcome'], string>> = {};
  const bar = output.progress(orders.length, 'orders');
  const report = await placeOrders(orders, {
    placeOrder,
    concurrency: command.opts().concurrency,
    call: { lane },
    signal,
    onOutcome: ({ outcome, order, reason }) => {
      // One that had something to undo says more than one whose payment was refused.
      if (examples[outcome] === undefined || reason === 'OutOfStock') examples[outcome] = orderGid(order.orderId);
      bar.step();
    },
  }).finally(bar.stop);
  console.log(`\n${describePlacing(report, orders.length)}`);

  const links: string[] = [];
  for (const [outcome, gid] of Object.entries(examples)) {
    const shown = await showTransaction(client, gid);
    const link = linkTo(temporal, shown);
    if (outcome === 'undone') console.log(`\nOne undone order, step by step:\n${describeTransaction(shown)}`);
    if (link !== undefined) links.push(`  ${outcome}: ${link}`);
  }

  const books = await proveBooks(client, temporal);
  console.log(`\n${describeBooks(books)}`);
  if (links.length > 0) console.log(`\nIn the Web UI:\n${links.join('\n')}`);
  return report.placed + report.undone === orders.length && books.balanced;
}

/**
 * Nine tenths of the CDs that the customers can pay for, so that some orders find the stock short, and others are
 * refused their payment.
 */
function stockFor(orders: readonly PlaceOrder[]): number {
  const wallets = new Map<string, number>();
  let units = 0;
  for (const { customerId, amount, units: ordered } of orders) {
    const left = (wallets.get(customerId) ?? WALLET) - amount;
    if (left < 0) continue;
    wallets.set(customerId, left);
    units += ordered;
  }
  return Math.floor((units * 9) / 10);
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(error instanceof InvalidOrdersFile ? 2 : 1);
  },
);
