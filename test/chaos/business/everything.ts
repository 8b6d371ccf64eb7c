import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { salePurchaseGid } from '../../../src/activities/sale/buy.js';
import { readOrders } from '../../../src/client/orders-file.js';
import { openShop } from '../../../src/client/shop.js';
import { merchantAccount, purchaseGid, type Purchase } from '../../../src/contracts/bookstore.js';
import { orderGid, type PlaceOrder } from '../../../src/contracts/place-order.js';
import type { OpenSale } from '../../../src/contracts/sale.js';
import { welcomeCoupon } from '../../../src/contracts/services.js';
import { transferGid, type BankName } from '../../../src/contracts/transfer.js';
import { runJob, type ScanOrder } from '../../../src/kit/client/index.js';
import { unlessAborted } from '../../../src/signals.js';
import { lanes, planCalls, type Lane } from '../faults.js';
import type { SaleVisit } from '../mixed/calls.js';
import type { LivedOrder } from '../mixed/live.js';
import { lifeNames } from '../mixed/lives.js';
import { Random } from '../random.js';
import type { Business, Place, TransactionName, Wanted } from './business.js';
import { endsOf, leftOver, read, rowsOf, undelivered } from './mixed-rows.js';
import { accountOf, randomTransfer, transfers } from './transfers.js';

/** Everything that the shop can do, in one run: what is asked of one database at the same moment is of all schemes. */

/** What is dealt, as a pack of cards is, and the lanes that each has. */
const pack: readonly (readonly [TransactionName, readonly Lane[]])[] = [
  ...times(4, 'placeOrder', lanes),
  ...times(3, 'orderLifecycle'),
  ...times(3, 'salePurchase'),
  ...times(2, 'placeOrderChoreographed'),
  ['placeOrderTcc', ['durable', 'lean']],
  ['orderByStateTable', ['durable']],
  ['buyBook', ['durable', 'lean']],
  ['transferSaga', lanes],
  ['transferSagaLocked', ['durable', 'lean']],
  ['transferTcc', ['durable', 'lean']],
  ['transfer2pc', ['durable']],
  ['transfer3pc', ['durable']],
  ['transferOutbox', ['durable', 'lean']],
  ['transferMessage', ['durable']],
  ['transferByStateTable', ['durable']],
];

function times(count: number, name: TransactionName, has: readonly Lane[] = ['durable']) {
  return Array.from({ length: count }, () => [name, has] as const);
}

/** Some cannot pay, and the stock runs short near the end. */
const OPENING = { walletCents: 20_000, points: 1_000, couponCents: 500, sku: 'cd', stockShare: 0.75 };
/** One sells out, and is reclaimed in the end; the other is reclaimed all the time, while its customers pay. */
const sales = { rush: { share: 0.5, holdMs: 3_600_000 }, slow: { share: 2, holdMs: 1_500 } } as const;
type SaleName = keyof typeof sales;
const BOOK = 'emma';
/** For how long a customer may think who pays later: some think for too long, in an outage. */
const PAY_WITHIN_MS = 15_000;
/** The rounds of what the shop's schedules do every few minutes. */
const ROUND_MS = 2_000;
/** Each so many rounds the scan: a machine that does not fit its history, as may be where its worker was lost, is begun anew soon. */
const SCAN_EACH = 5;
const SCAN: ScanOrder = { failingMs: 5_000, taskFailures: 2 };
/** How many cents a purchase of books costs at most, and one purchase of a sale. */
const MOST_CENTS = 3_000;

export const everything: Business = {
  first: [{ branch: 'create-order', services: ['orders'] }, ...transfers.first],
  mix: pack.map(([name]) => name),

  async wanted(seed, count, choice) {
    const random = new Random(seed ^ 0x3e7a);
    const packs = Array.from({ length: Math.ceil(count / pack.length) }, () => random.shuffled(pack));
    const dealt = packs.flat().slice(0, count);
    const list = await readOrders('examples/orders.csv', { limit: count });
    const plans = planCalls(
      seed,
      dealt.map(([, has]) => has),
      choice,
    );
    return dealt.flatMap(([transaction], index): Wanted[] => {
      const [order, plan] = [list[index], plans[index]];
      if (order === undefined || plan === undefined) return [];
      return [{ transaction, plan, ...asked(transaction, order, index, random) }];
    });
  },

  async open(place, wanted) {
    const { client, temporal } = place;
    const orders = wanted.flatMap(({ transaction, input }) => orderOf(transaction, input) ?? []);
    const visits = wanted.flatMap(({ transaction, input }) =>
      transaction === 'salePurchase' ? [(input as SaleVisit).purchase] : [],
    );
    const customers = [...new Set([...orders, ...visits].map(({ customerId }) => customerId))];
    const sold = (name: SaleName) =>
      Math.max(1, Math.floor(sum(visits.filter(({ sale }) => sale === name)) * sales[name].share));
    const units = Math.floor(sum(orders) * OPENING.stockShare) + sold('rush') + sold('slow');
    await openShop(client, temporal, { ...OPENING, customers, units });
    for (const [name, { holdMs }] of Object.entries(sales)) {
      const sale: OpenSale = { sale: name, sku: OPENING.sku, units: sold(name as SaleName), cents: 490, holdMs };
      await job(place, 'openSale', sale);
    }
    await transfers.open(place, wanted);
    const { bank, account } = merchantAccount;
    const opening = { bank, accounts: [account], cents: 0 };
    await job(place, 'openBookstore', opening, [{ book: BOOK, copies: 100_000 }]);
  },

  async meanwhile(place, signal) {
    for (let round = 1; !signal.aborted; round++) {
      await unlessAborted(job(place, 'reclaimStock'), signal).catch(() => undefined);
      if (round % SCAN_EACH === 0) {
        await unlessAborted(job(place, 'scanTransactions', SCAN), signal).catch(() => undefined);
      }
      await delay(ROUND_MS, undefined, { signal }).catch(() => undefined);
    }
  },

  async settle(place, signal) {
    for (const sale of Object.keys(sales)) await job(place, 'closeSale', { sale });
    // The time of those has come who never paid.
    await read(place, 'inventory', `update backstitch.occupancy set due_at = now() where state = 'occupied'`);
    await job(place, 'reclaimStock');
    while (!signal.aborted && (await undelivered(place)).length > 0) await delay(ROUND_MS / 4);
  },

  ends: (place, wanted) => endsOf(place, wanted),
  rows: async (place, wanted) =>
    new Map([
      ...[...(await transfers.rows(place, moves(wanted)))].filter(([gid]) => !gid.startsWith(purchaseGid(''))),
      ...(await rowsOf(place, wanted)),
    ]),
  always: () => Promise.resolve([]),
  leftovers: async (place) => [
    ...(await transfers.leftovers(place)),
    ...(await undelivered(place)),
    ...(await leftOver(place)),
  ],
};

/** What a customer asks for, from a line of the file of orders. */
function asked(
  transaction: TransactionName,
  order: PlaceOrder,
  index: number,
  random: Random,
): Pick<Wanted, 'gid' | 'input'> {
  const { orderId, customerId, sku, units, amount } = order;
  const plain = { orderId, customerId, sku, units, amount };
  const gid = orderGid(orderId);
  const id = `c${index + 1}`;
  switch (transaction) {
    case 'placeOrder':
      return { gid, input: order };
    case 'placeOrderTcc':
    case 'orderByStateTable':
      return { gid, input: { ...plain, sequence: 'pay-first' } };
    case 'placeOrderChoreographed': {
      const payLater = random.integer(1, 2) === 1;
      return { gid, input: { ...plain, payLater, payWithinMs: PAY_WITHIN_MS } };
    }
    case 'orderLifecycle': {
      const coupon = random.integer(1, 2) === 1 ? { coupon: welcomeCoupon(customerId) } : {};
      const input: LivedOrder = { order: { ...plain, ...coupon }, life: random.pick(lifeNames) };
      return { gid, input };
    }
    case 'salePurchase': {
      const sale = random.pick(Object.keys(sales));
      const purchase = { id, sale, customerId, units: random.integer(1, 3) };
      const input: SaleVisit = { purchase, isLeft: random.integer(1, 4) === 1 };
      return { gid: salePurchaseGid(id), input };
    }
    case 'buyBook': {
      const from = { bank: random.pick<BankName>(['bank_a', 'bank_b', 'bank_c']), account: accountOf(index % 100) };
      const cents = random.integer(1, MOST_CENTS);
      const input: Purchase = { id, from, book: BOOK, copies: random.integer(1, 3), cents };
      return { gid: purchaseGid(id), input };
    }
    case 'transferByStateTable':
      return { gid: transferGid(id), input: randomTransfer(random, id, { from: 1, to: 1 }) };
    case 'transferMessage':
    case 'transferOutbox':
      return { gid: transferGid(id), input: randomTransfer(random, id, { from: 1 }) };
    default:
      return { gid: transferGid(id), input: randomTransfer(random, id) };
  }
}

/** Those that are transfers. */
function moves(wanted: readonly Wanted[]): readonly Wanted[] {
  return wanted.filter(({ transaction }) => transaction.startsWith('transfer'));
}

/** The order that is asked for, if it is one of the shop. */
function orderOf(transaction: TransactionName, input: unknown): { customerId: string; units: number } | undefined {
  if (transaction === 'orderLifecycle') return (input as LivedOrder).order;
  return /order/i.test(transaction) ? (input as PlaceOrder) : undefined;
}

function sum(all: readonly { readonly units: number }[]): number {
  return all.reduce((total, { units }) => total + units, 0);
}

function job(place: Place, workflow: string, ...input: unknown[]): Promise<unknown> {
  return runJob(place.client, place.temporal, workflow, `${workflow}-${randomUUID()}`, input);
}
