import { eventSchemas, eventTopics, type LookedOrder, type OrderLetter } from '../../contracts/events.js';
import { orderIdSchema, type OfOrder } from '../../contracts/services.js';
import type { OrderState } from '../../contracts/shop.js';
import { findLetters, Poison, type Database, type MessageHandler } from '../../kit/database/index.js';
import { messageOf } from '../../kit/database/message.js';
import { within } from '../../kit/database/within.js';
import { validInput } from '../input.js';
import { ORDER_STATE } from '../orders/sql.js';
import { outboxes, type OutboxName } from './outboxes.js';
import { pathOf, type HeardEvent } from './path.js';
import { eventOf, type Reactions } from './react.js';

/**
 * The projection: it hears of every event of every service, and answers where an order is. It is in the orders database, and is a
 * consumer like any other: it may be behind, and decides nothing.
 */

const NOTE = `
insert into order_events (order_id, event_id, topic, event) values ($1, $2, $3, $4::json) on conflict do nothing`;
const READ = `select event_id as id, topic, event from order_events where order_id = $1`;

/** How long each database may take to answer, the wait for a connection included, in milliseconds. */
const LOOK_MS = 3_000;

/** Notes what was heard of. */
export const projectionReactions: Reactions = Object.fromEntries(
  eventTopics.map((topic): [string, MessageHandler] => [
    topic,
    async (sql, message) => {
      const { order } = eventOf(topic, message);
      // As it came: a newer release reads more of it.
      await sql(NOTE, [order.orderId, message.id, topic, JSON.stringify(message.payload)]);
    },
  ]),
);

/** What another release tells and this one does not know: it is no part of the path here, and is shown. */
export const noteUnknown: MessageHandler = async (sql, { id, topic, key, payload }) => {
  if (key === undefined) throw new Poison(`what came as ${id} (${topic}) says of no order: it has no key`);
  await sql(NOTE, [key, id, topic, JSON.stringify(payload)]);
};

/** What can be said of an order now, and what of it waits for a person. */
export async function lookAtOrder(
  databases: Readonly<Record<OutboxName, Database>>,
  input: OfOrder,
): Promise<LookedOrder> {
  const { orderId } = validInput(orderIdSchema, input);
  const { orders } = databases;
  const [rows, [order], dead] = await Promise.all([
    within(LOOK_MS, orders.run<HeardEvent>(READ, [orderId], LOOK_MS), 'the database of orders'),
    within(LOOK_MS, orders.run<OrderState>(ORDER_STATE, [orderId], LOOK_MS), 'the database of orders'),
    Promise.all(Object.values(outboxes).map((outbox) => deadOf(databases, outbox, orderId))),
  ]);
  return {
    path: pathOf(orderId, rows.filter(isKnown).map(heardOf)),
    ...(order && { order }),
    unknown: rows.filter((row) => !isKnown(row)).map(({ id, topic }) => ({ id, topic })),
    deadLetters: dead.flatMap(({ letters }) => letters),
    unread: dead.flatMap(({ unread }) => unread),
  };
}

/** What a newer release tells besides says nothing to this one. */
function isKnown({ topic }: Pick<HeardEvent, 'topic'>): boolean {
  return Object.hasOwn(eventSchemas, topic);
}

/** What is stored was checked when it came; another release may have stored more. */
function heardOf({ id, topic, event }: HeardEvent): HeardEvent {
  return { id, topic, event: eventSchemas[topic].parse(event) } as HeardEvent;
}

async function deadOf(
  databases: Readonly<Record<OutboxName, Database>>,
  { name, streams }: (typeof outboxes)[OutboxName],
  orderId: string,
): Promise<{ letters: OrderLetter[]; unread: string[] }> {
  const subscribers = new Map(streams.map((stream) => [stream.name, stream.subscriber]));
  try {
    const filter = { key: orderId, streams: [...subscribers.keys()] };
    const asked = findLetters(databases[name as OutboxName], filter, { timeoutMs: LOOK_MS });
    const letters = await within(LOOK_MS, asked, 'its database');
    return {
      letters: letters.map(({ id, stream, error, failedAt, deadAt = failedAt }) => ({
        ...{ id, outbox: name, subscriber: subscribers.get(stream) ?? stream, error, deadAt },
      })),
      unread: [],
    };
  } catch (error) {
    // The order is known all the same.
    return { letters: [], unread: [`${name}: ${messageOf(error)}`] };
  }
}
