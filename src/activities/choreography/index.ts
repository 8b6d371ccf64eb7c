import type { OrderService } from '../../contracts/events.js';
import {
  createInbox,
  type Database,
  type MessageHandler,
  type Outbox,
  type Probe,
  type Sink,
} from '../../kit/database/index.js';
import { inventoryReactions } from './inventory.js';
import { notificationsReactions } from './notifications.js';
import { ordersReactions } from './orders.js';
import { outboxes } from './outboxes.js';
import { paymentsReactions } from './payments.js';
import { pointsReactions } from './points.js';
import { noteUnknown, projectionReactions } from './projection.js';
import { reactionsSink, type Reactions } from './react.js';
import { shippingReactions } from './shipping.js';
import { verifierSink, type VerifierOf } from './verifier.js';

/**
 * The choreographed order: create → reserve stock → pay → ship → complete, each by the service that it belongs to, on account of the
 * event before it. Out of stock: cancel, points back. Not paid: stock back, then cancel and points. No service knows the whole of it.
 *
 * States of an order: created → (stock reserved) → (paid) → (parcel sent) → placed; or, until the parcel is sent → cancelled.
 * Invariant: each event is added in the transaction of the work that it tells of, and handled in that of the work that answers it; so an
 * order goes on until it is final, or an event of it is a dead letter. Then its key waits for a person, in that stream.
 */

/** Deliveries at a time to each consumer: each has a transaction of its own, and they share a few connections. */
const AT_A_TIME = 8;

type Databases = Readonly<Record<OrderService, Database>>;

/** A consumer: whose reactions, and in which database. */
interface Consumer {
  readonly service: OrderService;
  /** The name of its inbox. Default: the choreography's */
  readonly inbox?: string;
  readonly reactions: Reactions;
  /** What it does about events that this release does not know. Default: they are dead letters */
  readonly others?: MessageHandler;
}

const consumers: Readonly<Record<string, Consumer>> = {
  orders: { service: 'orders', reactions: ordersReactions },
  inventory: { service: 'inventory', reactions: inventoryReactions },
  payments: { service: 'payments', reactions: paymentsReactions },
  shipping: { service: 'shipping', reactions: shippingReactions },
  notifications: { service: 'notifications', reactions: notificationsReactions },
  points: { service: 'orders', inbox: 'points', reactions: pointsReactions },
  projection: { service: 'orders', inbox: 'projection', reactions: projectionReactions, others: noteUnknown },
};

/** Whose database a subscriber of these outboxes notes in what it has handled, and as which consumer of its inbox. */
export const listeners: Readonly<Record<string, { readonly service: OrderService; readonly consumer: string }>> = {
  ...Object.fromEntries(
    Object.entries(consumers).map(([name, { service, inbox: consumer = 'choreography' }]) => [
      name,
      { service, consumer },
    ]),
  ),
  verifier: { service: 'orders', consumer: 'verifier' },
};

/** An outbox with what its relays need. */
export interface ChoreographyOutbox {
  readonly outbox: Outbox;
  readonly database: Database;
  readonly sinks: Readonly<Record<string, Sink>>;
  readonly rules: { readonly single: number };
}

/** What is told of choreographed orders, and who hears it. */
export function choreographyOutboxes(
  databases: Databases,
  {
    repairs,
    probe,
    warehouse,
  }: {
    readonly repairs: VerifierOf['repairs'];
    readonly probe?: Probe;
    /** Where what the warehouse is to do goes. */
    readonly warehouse: Sink;
  },
): ChoreographyOutbox[] {
  const reacting = Object.entries(consumers).map(([name, each]) => {
    const { service, inbox: consumer = 'choreography', reactions, others } = each;
    const inbox = createInbox({ database: databases[service], consumer });
    return [name, reactionsSink({ service: name, inbox, reactions, others, probe })] as const;
  });
  const inbox = createInbox({ database: databases.orders, consumer: 'verifier' });
  const sinks: Readonly<Record<string, Sink>> = {
    ...Object.fromEntries(reacting),
    warehouse,
    verifier: verifierSink({ databases, inbox, repairs, probe }),
  };
  return (['orders', 'inventory', 'payments', 'shipping'] as const).map((name) => ({
    outbox: outboxes[name],
    database: databases[name],
    sinks,
    rules: { single: AT_A_TIME },
  }));
}
