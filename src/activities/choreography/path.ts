import {
  producers,
  type EventOf,
  type EventTopic,
  type OrderPath,
  type PathState,
  type PathStep,
  type PathWait,
} from '../../contracts/events.js';

/**
 * Where an order is, by the events that were heard of. Events of different outboxes come in any order: what is said depends on which
 * were heard of, and not on when. It is pure.
 *
 * States: running → placed; running → undoing → cancelled. The more is heard of, the further on it is: a state never goes back.
 */

/** An event that was heard of. */
export type HeardEvent = {
  readonly [Topic in EventTopic]: { readonly id: string; readonly topic: Topic; readonly event: EventOf<Topic> };
}[EventTopic];

/** How far on an order is with each event: none is the cause of one that is not further on. */
const places: Readonly<Record<EventTopic, number>> = {
  'order.created': 0,
  'stock.reserved': 1,
  'payment.requested': 2,
  'payment.captured': 3,
  'parcel.dispatched': 4,
  'stock.refused': 5,
  'payment.refused': 6,
  'stock.released': 7,
  'order.cancelled': 8,
  'order.placed': 9,
};

const states: Readonly<Record<EventTopic, PathState>> = {
  'order.created': 'running',
  'stock.reserved': 'running',
  'payment.requested': 'running',
  'payment.captured': 'running',
  'parcel.dispatched': 'running',
  'stock.refused': 'undoing',
  'payment.refused': 'undoing',
  'stock.released': 'undoing',
  'order.cancelled': 'cancelled',
  'order.placed': 'placed',
};

/** Who has to do what next, after each event that is not final. */
const waits: Readonly<Partial<Record<EventTopic, Pick<PathWait, 'who' | 'what'>>>> = {
  'order.created': { who: 'inventory', what: 'reserve the stock' },
  'stock.reserved': { who: 'payments', what: 'take the payment' },
  'payment.requested': { who: 'customer', what: 'pay' },
  'payment.captured': { who: 'shipping', what: 'send the parcel' },
  'parcel.dispatched': { who: 'orders', what: 'complete the order' },
  'stock.refused': { who: 'orders', what: 'cancel the order, and give its points back' },
  'payment.refused': { who: 'inventory', what: 'release the stock' },
  'stock.released': { who: 'orders', what: 'cancel the order, and give its points back' },
};

/** What can be said of an order; `null`: nothing was heard of it. */
export function pathOf(orderId: string, heard: readonly HeardEvent[]): OrderPath | null {
  const path = heard.map(stepOf).sort((one, other) => places[one.topic] - places[other.topic]);
  const last = path.at(-1);
  if (last === undefined) return null;
  const wait = waits[last.topic];
  return {
    orderId,
    state: states[last.topic],
    path,
    ...(wait && {
      waitsFor: { ...wait, since: last.at, ...(last.payBy !== undefined && { until: last.payBy }) },
    }),
  };
}

function stepOf({ id, topic, event }: HeardEvent): PathStep {
  const { cause, at } = event;
  const points =
    'pointsSpent' in event ? event.pointsSpent : 'pointsReturned' in event ? event.pointsReturned : undefined;
  return {
    ...{ id, topic, by: producers[topic], cause, at },
    ...('refusal' in event && { refusal: event.refusal }),
    ...('payBy' in event && { payBy: event.payBy }),
    ...('paymentId' in event && { paymentId: event.paymentId }),
    ...('shipmentId' in event && { shipmentId: event.shipmentId }),
    ...(points !== undefined && { points }),
  };
}
