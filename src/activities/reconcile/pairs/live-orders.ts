import type { Database, Drift, Operation, Pair } from '../../../kit/database/index.js';
import type { Notifications } from '../../notifications/index.js';
import { gidsOfOrder } from '../orders.js';
import { LIVES } from './orders-machines.js';

/**
 * Orders that live for weeks, while they live: what the services have of one is what its state says. They are few beside all orders, and
 * each is read: their parts are of another state than those of an order that stands, or came to nothing. Once they have ended they are
 * judged as all other orders are.
 */

interface OrderRow {
  readonly order_id: string;
  readonly customer_id: string;
  readonly sku: string;
  readonly units: number;
  readonly price: number;
  readonly main: string;
  readonly sub: string | null;
}

/** What the services have of an order, in words. */
type Part = 'payment' | 'stock' | 'parcel' | 'recall' | 'told';
type Parts = Readonly<Record<Part, string | undefined>>;

type Of = Readonly<Record<'orders' | 'payments' | 'inventory' | 'shipping' | 'notifications', Database>>;

const ORDERS = `
select order_id, customer_id, sku, units, amount - discount as price, status as main, sub_state as sub
from orders where order_id = any ($1) and ${LIVES}`;

const PAYMENT = `
select order_id, status || ', ' || amount || ' of ' || customer_id as words from payments where order_id = any ($1)`;
const STOCK = `select order_id, status || ', ' || units || ' ' || sku as words from reservations where order_id = any ($1)`;
const PARCEL = `
select order_id, units || ' ' || sku || ' to ' || customer_id as words from shipments where order_id = any ($1)`;
const RECALL = 'select order_id, status as words from recalls where order_id = any ($1)';
const TOLD = `
select order_id, customer_id as words from notifications where order_id = any ($1) and kind = 'order-placed'`;

/** What the services have of an order that lives is what its state says. */
export function liveOrders(databases: Of, notifications: Notifications): Pair {
  const { orders, payments, inventory, shipping } = databases;
  return {
    name: 'live-orders',
    what: 'what the services have of an order with a lifecycle that has not ended is what its state says',
    by: 'ranges',
    classes: {
      'live-without-payment': {
        what: 'the order is paid by its state, and its price is not captured from its customer',
      },
      'live-paid-too-early': { what: 'the order waits for its payment by its state, and money is captured for it' },
      'live-without-stock': { what: 'the order has not ended, and what was ordered is not reserved for it' },
      'live-without-parcel': { what: 'the order has left by its state, and there is no parcel of it, or another one' },
      'live-with-parcel': { what: 'the order has not left by its state, and a parcel of it has' },
      'live-recall-differs': {
        what: 'the carrier has been asked, or has said, something else than the state of the order',
      },
      'live-but-not-told': {
        what: 'the order has left, and its customer was not told',
        repair: {
          what: 'tells the customer',
          run: ({ key, data }: Drift, operation: Operation) =>
            notifications.orderPlaced.action(operation, { orderId: key, customerId: data as string }),
        },
      },
      'refund-forgotten': { what: 'the order is being refunded by its state, and no transaction does it' },
    },
    sides: [
      { parts: [{ database: orders, rows: `select order_id as key, status as value from orders where ${LIVES}` }] },
      'none',
    ],
    gidsOf: gidsOfOrder,
    async judge(keys) {
      const found = await orders.run<OrderRow>(ORDERS, [keys]);
      const [payment, stock, parcel, recall, told] = await Promise.all([
        wordsOf(payments, PAYMENT, keys),
        wordsOf(inventory, STOCK, keys),
        wordsOf(shipping, PARCEL, keys),
        wordsOf(shipping, RECALL, keys),
        wordsOf(databases.notifications, TOLD, keys),
      ]);
      return found.flatMap((order) => {
        const { order_id: id } = order;
        const parts = {
          payment: payment(id),
          stock: stock(id),
          parcel: parcel(id),
          recall: recall(id),
          told: told(id),
        };
        return judge(order, parts);
      });
    },
  };
}

/** What a service has of each order; of two rows both. */
async function wordsOf(database: Database, text: string, keys: readonly string[]) {
  const words = new Map<string, string>();
  for (const row of await database.run<{ order_id: string; words: string }>(text, [keys])) {
    const before = words.get(row.order_id);
    words.set(row.order_id, before === undefined ? row.words : `${before} and ${row.words}`);
  }
  return (orderId: string) => words.get(orderId);
}

function judge(order: OrderRow, { payment, stock, parcel, recall, told }: Parts): Drift[] {
  const { order_id: key, customer_id: customer, sku, units, price, main, sub } = order;
  const state = sub === null ? main : `${main}.${sub}`;
  const drift = (name: string, what: string, due: string, is: string | undefined, data?: unknown): Drift => ({
    ...{ class: name, key, detail: `an order that is ${state}: ${what} due: ${due}; there is ${is ?? 'none'}` },
    ...(data !== undefined && { data }),
  });
  // What goes back does so now, or waits at the desk.
  if (state === 'REFUNDING' || state === 'REFUNDING.KEPT') {
    return [
      drift('refund-forgotten', 'a refund', 'one on its way', `payment ${payment ?? 'none'}, stock ${stock ?? 'none'}`),
    ];
  }
  const found: Drift[] = [];
  const captured = `captured, ${price} of ${customer}`;
  if (main === 'WAIT_PAY') {
    if (payment?.startsWith('captured')) found.push(drift('live-paid-too-early', 'payment', 'none', payment));
  } else if (payment !== captured && !isRefused(state)) {
    found.push(drift('live-without-payment', 'payment', captured, payment));
  }
  const reserved = `reserved, ${units} ${sku}`;
  if (stock !== reserved) found.push(drift('live-without-stock', 'stock', reserved, stock));
  // What was refunded before it left has no parcel: one that came back has the carrier's word.
  const left = main === 'DELIVERED' || (main === 'REFUNDING' && (sub !== 'REFUSED' || recall === 'returned'));
  const due = `${units} ${sku} to ${customer}`;
  if (left && parcel !== due) found.push(drift('live-without-parcel', 'a parcel', due, parcel));
  if (!left && parcel !== undefined) found.push(drift('live-with-parcel', 'a parcel', 'none', parcel));
  const [asked, ...also] = recalls[state] ?? [undefined];
  if (recall !== asked && !also.includes(recall))
    found.push(drift('live-recall-differs', 'a recall', asked ?? 'none', recall));
  if (main === 'DELIVERED' && told === undefined) {
    found.push(drift('live-but-not-told', 'a notice', customer, told, customer));
  }
  return found;
}

/** A refund is refused because of its payment, say: an alarm tells of that, and of nothing else is it a sign. */
function isRefused(state: string): boolean {
  return state === 'REFUNDING.REFUSED' || state === 'REFUNDING.KEPT_REFUSED';
}

/** What the carrier says of the parcel in each state; in all others it was not asked. The first is named as due. */
const recalls: Readonly<Record<string, readonly (string | undefined)[]>> = {
  'REFUNDING.RECALLED': ['requested'],
  'REFUNDING.LOST': ['lost'],
  // It never left, or it came back.
  'REFUNDING.REFUSED': [undefined, 'returned'],
  // It was not asked for, or it was lost.
  'REFUNDING.KEPT_REFUSED': [undefined, 'lost'],
};
