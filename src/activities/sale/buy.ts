import { setTimeout as sleep } from 'node:timers/promises';
import type { AskedOfBuyer, BuySale, SaleAnswer, SaleRefusal } from '../../contracts/sale.js';
import type { Occupancy, OccupyAnswer, Operation, Probe } from '../../kit/database/index.js';
import { messageOf } from '../../kit/database/message.js';
import { within } from '../../kit/database/within.js';
import type { SaleTerms } from '../inventory/sale.js';
import type { SaleOrder, SaleOrders } from '../orders/sale.js';

/** Buying and paying, in the process that is asked: two statements each, one in either database. */

/** What happens to a purchase, by the names that faults have for it. */
export const saleFunctions = [
  'inventory.occupy.action',
  'orders.submit.action',
  'orders.pay.action',
  'inventory.consume.action',
] as const;
type SaleFunction = (typeof saleFunctions)[number];

/** What a purchase is called where transactions are: in faults, and in what is told of it. */
export function salePurchaseGid(id: string): string {
  return `sale-${id}`;
}

/** How long a buyer is kept by default, in milliseconds, and what is waited before it is tried again. */
const WITHIN_MS = 5_000;
const BACKOFF_MS = [50, 200, 1_000] as const;
/** Sales whose terms are kept: they never change. */
const KEPT_TERMS = 1_000;

interface BuyingOf {
  readonly occupancy: Occupancy;
  readonly saleOrders: SaleOrders;
  readonly probe?: Probe;
}

export function createBuying({ occupancy, saleOrders, probe }: BuyingOf) {
  const kept = new Map<string, SaleTerms>();
  const termsOf = async (sale: string): Promise<SaleTerms | undefined> => {
    const known = kept.get(sale);
    if (known !== undefined) return known;
    const terms = (await occupancy.terms(sale)) as SaleTerms | undefined;
    if (kept.size >= KEPT_TERMS) kept.clear();
    if (terms !== undefined) kept.set(sale, terms);
    return terms;
  };
  /** Does a part of a purchase between its crash points. */
  const doing = async <T>(name: SaleFunction, id: string, attempt: number, work: () => Promise<T>): Promise<T> => {
    if (probe === undefined) return work();
    const operation = operationOf(name, id, attempt);
    await probe('before', operation);
    const result = await work();
    await probe('committed', operation);
    return result;
  };

  const buyOnce = async (purchase: BuySale, attempt: number): Promise<SaleAnswer> => {
    const { id, sale, customerId, units } = purchase;
    const refused = (why: SaleRefusal): SaleAnswer => ({ answer: 'refused', id, why });
    const terms = await termsOf(sale);
    if (terms === undefined) return refused('unknown sale');
    const occupied = await doing('inventory.occupy.action', id, attempt, () =>
      occupancy.occupy({ pool: sale, id, holder: customerId, units }),
    );
    if (occupied.answer !== 'occupied') return refused(refusals[occupied.answer]);
    if (occupied.state === 'released') return refused('reclaimed');
    const order = await doing('orders.submit.action', id, attempt, () =>
      saleOrders.submit(purchase, units * terms.cents),
    );
    return answerOf(order, occupied.dueAt);
  };

  const payOnce = async (id: string, paymentId: string, attempt: number): Promise<SaleAnswer> => {
    const order = await doing('orders.pay.action', id, attempt, () => saleOrders.pay(id, paymentId));
    if (order === undefined) return { answer: 'refused', id, why: 'unknown purchase' };
    // It came while this was asked: who is told that it is sold would take it for paid.
    if (order.status === 'unpaid') throw new Error('its order came at the same moment');
    if (order.status === 'paid') {
      if (order.paymentId === null) return { answer: 'refused', id, why: 'paid by unknown' };
      if (order.paymentId !== paymentId) return { answer: 'refused', id, why: 'paid by another' };
      // It is paid, and stays so: where this is not done now the reclaim does it.
      const consume = () => occupancy.consume([id]);
      const now = await doing('inventory.consume.action', id, attempt, consume).catch(() => undefined);
      if (now?.get(id)?.state === 'released') {
        // To ask again changes nothing. The row says it, so that the next round of the reclaim tells of it.
        await saleOrders.tear(id);
        return { answer: 'torn', id };
      }
    }
    return answerOf(order, null);
  };

  return {
    /**
     * Buys: occupies the units, then submits the order. Idempotent by the purchase's id. It never throws for what a database does: then
     * the answer is `pending`, and who asks again under the same id hears more.
     */
    buy: (purchase: BuySale, asked?: AskedOfBuyer): Promise<SaleAnswer> =>
      patiently(purchase.id, asked, (attempt) => buyOnce(purchase, attempt)),

    /** Pays an order that waits for it, and consumes its units. Idempotent by both ids, and answers as {@link buy} does. */
    pay: (id: string, paymentId: string, asked?: AskedOfBuyer): Promise<SaleAnswer> =>
      patiently(id, asked, (attempt) => payOnce(id, paymentId, attempt)),
  };
}

/** What the pool's answer means to a buyer. */
const refusals = {
  gone: 'sold out',
  closed: 'closed',
  'too many': 'too many',
  unknown: 'unknown sale',
  conflict: 'conflict',
} as const satisfies Record<Exclude<OccupyAnswer['answer'], 'occupied'>, SaleRefusal>;

function answerOf({ id, status, cents }: SaleOrder, payBy: number | null): SaleAnswer {
  if (status === 'cancelled' || status === 'barred') return { answer: 'refused', id, why: 'reclaimed' };
  const paid = status === 'paid';
  return { answer: 'sold', id, paid, cents, payBy: paid ? null : payBy };
}

/** Tries for as long as there is time. What fails is not known: that is `pending`, and no failure. */
async function patiently(
  id: string,
  { withinMs = WITHIN_MS }: AskedOfBuyer = {},
  work: (attempt: number) => Promise<SaleAnswer>,
): Promise<SaleAnswer> {
  const until = performance.now() + withinMs;
  for (let attempt = 1; ; attempt++) {
    const leftMs = until - performance.now();
    try {
      return await within(Math.max(leftMs, 1), work(attempt), 'the sale');
    } catch (error) {
      if (error instanceof RangeError) throw error;
      const pauseMs = BACKOFF_MS[attempt - 1];
      if (pauseMs === undefined || until - performance.now() <= pauseMs) {
        return { answer: 'pending', id, message: messageOf(error) };
      }
      await sleep(pauseMs);
    }
  }
}

function operationOf(name: SaleFunction, id: string, attempt: number): Operation {
  const [, branch = ''] = name.split('.');
  return {
    ...{ gid: salePurchaseGid(id), branch, op: 'action', scheme: 'state', seq: saleFunctions.indexOf(name) + 1 },
    ...{ function: name, driver: 'sale', who: String(process.pid), attempt, timeoutMs: WITHIN_MS },
    signal: new AbortController().signal,
  };
}
