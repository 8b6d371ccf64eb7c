import { z } from 'zod';
import { orderGid, placeOrderSchema } from './place-order.js';
import type { OrderState } from './shop.js';

/**
 * A choreographed order: no orchestrator has it; each service reacts to what another one tells, with a local transaction and an
 * event of its own. Here are the events, and what can be said of an order by them.
 */

/** How long a customer may take to pay where nothing else is said, in milliseconds: 30 minutes. */
const PAY_WITHIN_MS = 30 * 60_000;
/** And at most: 30 days. */
const MOST_PAY_WITHIN_MS = 30 * 86_400_000;

const withinError = `must be a whole number of milliseconds from 1 to ${MOST_PAY_WITHIN_MS}`;

/** What a caller gives to have an order placed without an orchestrator. */
export const choreographedOrderSchema = placeOrderSchema.omit({ sequence: true, announce: true }).extend({
  /** The customer pays by a call of its own, and not at once. */
  payLater: z.boolean().default(false),
  /** For how long that is waited for: then the order is undone. */
  payWithinMs: z
    .int({ error: withinError })
    .min(1, { error: withinError })
    .max(MOST_PAY_WITHIN_MS, { error: withinError })
    .default(PAY_WITHIN_MS),
});
export type ChoreographedOrder = z.output<typeof choreographedOrderSchema>;
export type ChoreographedOrderInput = z.input<typeof choreographedOrderSchema>;

/** What the first step of it answers: the rest follows by itself. */
export interface OpenedOrder {
  orderId: string;
  pointsSpent: number;
}

/** An order as it is told of. Fields that a release does not know are let pass, and told on: another one may have more. */
export const toldOrderSchema = z.looseObject(choreographedOrderSchema.shape);

/** What each event has. Fields that a release does not know are let pass. */
const told = z.object({
  order: toldOrderSchema,
  /** The id of the event that it is the answer to; `null` of the first one. */
  cause: z.string().min(1).nullable(),
  /** When it happened, by the clock of whoever did it, in milliseconds since 1970. */
  at: z.int(),
});
const refusal = z.object({ type: z.string(), message: z.string() });
/** A definite no of a service: a fact like any other. */
export type Refusal = z.output<typeof refusal>;

/** What services tell of an order, each once at most: the event's topic, and what it carries. */
export const eventSchemas = {
  'order.created': told.extend({ pointsSpent: z.int() }),
  'stock.reserved': told,
  'stock.refused': told.extend({ refusal }),
  /** The customer is asked for the payment: no money has moved. */
  'payment.requested': told.extend({ paymentId: z.string(), payBy: z.int() }),
  'payment.captured': told.extend({ paymentId: z.string() }),
  'payment.refused': told.extend({ refusal }),
  'stock.released': told,
  'order.cancelled': told.extend({ pointsReturned: z.int() }),
  'parcel.dispatched': told.extend({ shipmentId: z.string() }),
  'order.placed': told,
} as const;

export type EventTopic = keyof typeof eventSchemas;
export type EventOf<Topic extends EventTopic> = z.output<(typeof eventSchemas)[Topic]>;

export const eventTopics = Object.keys(eventSchemas) as EventTopic[];

/** What payments tells itself, later: that the time to pay is over. It is no event: it may come to nothing. */
export const PAYMENT_DUE = 'payment.due';
export const paymentDueSchema = told;
export type PaymentDue = z.output<typeof paymentDueSchema>;

/** The services of a choreographed order, in the order in which they have to do with it. */
export const orderServices = ['orders', 'inventory', 'payments', 'shipping', 'notifications'] as const;
export type OrderService = (typeof orderServices)[number];

/** Who tells what: its topic begins with what it is about. */
export const producers: Readonly<Record<EventTopic, OrderService>> = {
  'order.created': 'orders',
  'stock.reserved': 'inventory',
  'stock.refused': 'inventory',
  'payment.requested': 'payments',
  'payment.captured': 'payments',
  'payment.refused': 'payments',
  'stock.released': 'inventory',
  'order.cancelled': 'orders',
  'parcel.dispatched': 'shipping',
  'order.placed': 'orders',
};

/** The id of an event, the same whoever adds it: an order has each event once. */
export function eventId(orderId: string, topic: EventTopic | typeof PAYMENT_DUE): string {
  return `${orderGid(orderId)}/${topic}`;
}

/** What has happened to an order, in one word. Placed and cancelled are final. */
export type PathState = 'running' | 'undoing' | 'placed' | 'cancelled';

/** An event of an order's path. */
export interface PathStep {
  readonly id: string;
  readonly topic: EventTopic;
  readonly by: OrderService;
  readonly cause: string | null;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly refusal?: Refusal;
  /** Until when it is to be paid, in milliseconds since 1970. */
  readonly payBy?: number;
  readonly paymentId?: string;
  readonly shipmentId?: string;
  /** Points that it took, or gave back. */
  readonly points?: number;
}

/** What an order waits for. */
export interface PathWait {
  /** A service, or the customer. */
  readonly who: OrderService | 'customer';
  readonly what: string;
  /** In milliseconds since 1970. */
  readonly since: number;
  /** Until when it is waited for. Default: for ever */
  readonly until?: number;
}

/** Where an order is, by the events that were heard of, whatever order they came in. */
export interface OrderPath {
  readonly orderId: string;
  readonly state: PathState;
  /** What has happened, each after its cause. */
  readonly path: readonly PathStep[];
  /** Absent: the order is final. */
  readonly waitsFor?: PathWait;
}

/** A message of an order that was given up, and waits for a person. */
export interface OrderLetter {
  readonly id: string;
  /** Who could not take it: the subscriber of its outbox. */
  readonly subscriber: string;
  readonly outbox: string;
  readonly error: string;
  /** Since when, in milliseconds since 1970. */
  readonly deadAt: number;
}

/** What can be said of an order now. */
export interface LookedOrder {
  /** `null`: no event of it was heard of yet. */
  readonly path: OrderPath | null;
  /** As the orders service has it: what is recalled after it was placed no event tells. Absent: there is none, or a release before said no more. */
  readonly order?: OrderState;
  /** What another release has told of it and this one does not know; absent: nothing, or a release before said no more. */
  readonly unknown?: readonly { readonly id: string; readonly topic: string }[];
  readonly deadLetters: readonly OrderLetter[];
  /** Outboxes whose databases did not answer: what is dead there is not known. */
  readonly unread: readonly string[];
}

/** What came of paying an order that waits for it. */
export type PaymentAnswer =
  | { readonly outcome: 'paid'; readonly paymentId: string; readonly amount: number }
  | { readonly outcome: 'refused'; readonly refusal: Refusal };
