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
import { abortOnSignal, unlessAborted } from '../signals.js';

/** What each customer's wallet starts with, in cents. */
const WALLET = 10_000;
const POINTS = 1_000;

const command = developmentCommand('npm run demo --', 'the shop on real orders, from nothing to proven books')
  .option('--file <path>', 'a CSV file of orders', 'examples/orders.csv')
  .option('--limit <n>', 'place the first so many', integer(1, 10_000_000), 300)
  .addOption(new Option('--all', 'place all of them').conflicts('limit'))
  .option('--concurrency <n>', 'orders under way at a time', integer(1, 200), 20)
  .addOption(
    new Option('--lane <lane>', 'how the steps are carried').choices(['durable', 'lean']).default('durable' as const),
  )
  .option('--stock-first', 'reserve the stock before the payment')
  .option('--exit', 'end when all is done, instead of staying up')
  .parse();

const output = new Output(false);
const stopped = abortOnSignal((signal) => {
  output.note(`${signal}: stopping`);
});

async function main(): Promise<number> {
  const options = command.opts();
  const orders = await readOrders(options.file, {
    sequence: options.stockFirst ? 'stock-first' : 'pay-first',
    limit: options.all ? undefined : options.limit,
  });
  const begun = performance.now();
  const onProgress = (line: string) => {
    output.note(line);
  };
  const running = await boot({ ...serverOptions(options), onProgress, abort: stopped });
  output.note(`serving after ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  const death = new AbortController();
  void running.died.then((report) => {
    death.abort(report);
  });
  const abort = AbortSignal.any([stopped, death.signal]);
  try {
    const done = await run(running, orders, abort);
    if (!options.exit) await stayUp(running);
    return done ? 0 : 1;
  } finally {
    await running.stop();
  }
}

/** Until Ctrl-C. @throws if a server dies */
async function stayUp({ servers, died }: Running): Promise<void> {
  output.note('\nStaying up, so that you can look around; Ctrl-C stops, and --exit would not wait.');
  output.note(`  npm run client -- --address ${servers.temporal.address} tx list --state compensated`);
  const death = await unlessAborted(died, stopped).catch(() => undefined);
  if (death !== undefined) throw death;
}

/**
 * Places the orders and proves the books; true if every order ended and the books balance.
 *
 * @throws the signal's reason as soon as it is aborted: what was started goes on by itself, and nothing more is printed
 */
async function run({ servers, shop }: Running, orders: PlaceOrder[], abort: AbortSignal): Promise<boolean> {
  const { temporal } = servers;
  // Made from the worker's own connection, so that a workflow's first task needs no way through the server.
  const client = new Client({ connection: shop.connection, namespace: temporal.namespace });
  const { taskQueue } = temporal;
  const { lane } = command.opts();
  const placeOrder = transactionClient(client, { taskQueue, eagerStart: true }).of(placeOrderTransaction);

  const customers = [...new Set(orders.map(({ customerId }) => customerId))];
  const units = stockFor(orders);
  const opening = { customers, walletCents: WALLET, points: POINTS, sku: 'cd', units };
  await unlessAborted(openShop(client, temporal, opening), abort);

  const examples: Partial<Record<OrderOutcome['outcome'], string>> = {};
  const bar = output.progress(orders.length, 'orders');
  const placing = placeOrders(orders, {
    placeOrder,
    concurrency: command.opts().concurrency,
    call: { lane },
    signal: abort,
    onOutcome: ({ outcome, order, reason }) => {
      // One that had something to undo says more than one whose payment was refused.
      if (examples[outcome] === undefined || reason === 'OutOfStock') examples[outcome] = orderGid(order.orderId);
      bar.step();
    },
  });
  const report = await unlessAborted(placing, abort).finally(bar.stop);
  console.log(`\n${describePlacing(report, orders.length)}`);

  const links: string[] = [];
  for (const [outcome, gid] of Object.entries(examples)) {
    const shown = await unlessAborted(showTransaction(client, gid), abort);
    const link = linkTo(temporal, shown);
    if (outcome === 'undone') console.log(`\nOne undone order, step by step:\n${describeTransaction(shown)}`);
    if (link !== undefined) links.push(`  ${outcome}: ${link}`);
  }

  const books = await unlessAborted(proveBooks(client, temporal), abort);
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
    if (stopped.aborted) {
      output.note('stopped; what was started goes on at the next start');
      process.exit(130);
    }
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(error instanceof InvalidOrdersFile ? 2 : 1);
  },
);
