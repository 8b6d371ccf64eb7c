import { pointsFor } from '../src/contracts/money.js';
import type { PlaceOrder } from '../src/contracts/place-order.js';

/**
 * What every system is asked to do: orders that are spread over so many customers and articles that their rows are not
 * what a system waits for, of which every tenth is for an article that is sold out, so that it is undone.
 */

export const CUSTOMERS = 1_000;
const ARTICLES = 200;
const SOLD_OUT = 50;
/** Every so manyth saga is undone. */
const UNDONE_EVERY = 10;

export const customerIds = Array.from({ length: CUSTOMERS }, (_, index) => `customer-${index}`);
export const articles = Array.from({ length: ARTICLES }, (_, index) => `article-${index}`);
export const soldOut = Array.from({ length: SOLD_OUT }, (_, index) => `sold-out-${index}`);

/** An order of the benchmark, and how it has to end. */
export interface PlannedOrder {
  readonly order: PlaceOrder;
  readonly undone: boolean;
}

/** The orders of one phase; `prefix` makes their ids unique. */
export function ordersOf(prefix: string, count: number): PlannedOrder[] {
  return Array.from({ length: count }, (_, index) => {
    const undone = index % UNDONE_EVERY === UNDONE_EVERY - 1;
    const order: PlaceOrder = {
      orderId: `${prefix}-${index}`,
      customerId: at(customerIds, index),
      sku: undone ? at(soldOut, Math.floor(index / UNDONE_EVERY)) : at(articles, index),
      units: 1,
      amount: 1_000 + (index % 100) * 25,
      sequence: 'pay-first',
    };
    return { order, undone };
  });
}

/** What orders must have changed, by account, once each has ended: their effect once, or not at all. */
export function effectsOf(planned: readonly PlannedOrder[]): Map<string, number> {
  const effects = new Map<string, number>();
  const add = (account: string, change: number) => effects.set(account, (effects.get(account) ?? 0) + change);
  for (const { order, undone } of planned) {
    const { customerId, sku, units, amount } = order;
    add(undone ? 'orders cancelled' : 'orders created', 1);
    if (undone) continue;
    add(`points of ${customerId}`, -pointsFor(amount));
    add(`wallet of ${customerId}`, -amount);
    add(`stock of ${sku}`, -units);
  }
  return effects;
}

function at(names: readonly string[], index: number): string {
  return names[index % names.length] ?? '';
}
