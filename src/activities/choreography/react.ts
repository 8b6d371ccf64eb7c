import type { z } from 'zod';
import {
  eventId,
  eventSchemas,
  paymentDueSchema,
  PAYMENT_DUE,
  type ChoreographedOrder,
  type EventOf,
  type EventTopic,
  type PaymentDue,
  type Refusal,
} from '../../contracts/events.js';
import { orderGid } from '../../contracts/place-order.js';
import {
  inboxSink,
  Poison,
  Rejection,
  type Inbox,
  type Message,
  type MessageHandler,
  type Outbox,
  type Probe,
  type Sink,
  type Sql,
} from '../../kit/database/index.js';
import type { Operation } from '../../kit/workflow/branch.js';

/**
 * A reaction: what a service does about an event of another one. The inbox's row, the work and the event that the service tells in
 * its turn are one local transaction: an event that came twice has one effect and one answer, and there is no answer without the work.
 *
 * A business refusal is no failure: it becomes an event, in the same transaction. What contradicts what the service has (a parcel
 * of an order that has left) is refused for good: the event is a dead letter, which waits for a person.
 */

/** The handlers of a service, by topic. */
export type Reactions = Readonly<Record<string, MessageHandler>>;

/** What a service tells: an event without what every event has. */
export type Told = {
  [Topic in EventTopic]: { readonly topic: Topic } & Omit<EventOf<Topic>, 'order' | 'cause' | 'at'>;
}[EventTopic];

/** What a service tells of, and on account of which event. */
interface About {
  readonly order: ChoreographedOrder;
  readonly cause: string | null;
}

/** Adds an event in the transaction of the work that it tells of. */
export async function tell(sql: Sql, outbox: Outbox, { order, cause }: About, told: Told): Promise<void> {
  const { topic, ...more } = told;
  const { orderId } = order;
  const payload = { order, cause, at: Date.now(), ...more };
  await outbox.add(sql, { id: eventId(orderId, topic), topic, key: orderId, payload });
}

/** Does something about an event, in the transaction of its inbox row; what it returns the service tells. */
export function reactsTo<Topic extends EventTopic>(
  topic: Topic,
  outbox: Outbox,
  react: (sql: Sql, event: EventOf<Topic>) => Promise<Told>,
): Reactions {
  return hears(topic, async (sql, event, { id }) => {
    await tell(sql, outbox, { order: event.order, cause: id }, await react(sql, event));
  });
}

/** Does something about an event, and tells nobody, or what it tells by itself. */
export function hears<Topic extends EventTopic>(
  topic: Topic,
  react: (sql: Sql, event: EventOf<Topic>, message: Message) => Promise<void>,
): Reactions {
  return { [topic]: (sql, message) => react(sql, eventOf(topic, message), message) };
}

/** Does something when the time to pay is over. */
export function whenDue(react: (sql: Sql, due: PaymentDue) => Promise<void>): Reactions {
  return { [PAYMENT_DUE]: (sql, message) => react(sql, parsed(paymentDueSchema, message)) };
}

/** An event that came as a message. @throws Poison for what is none */
export function eventOf<Topic extends EventTopic>(topic: Topic, message: Message): EventOf<Topic> {
  return parsed(eventSchemas[topic] as unknown as z.ZodType<EventOf<Topic>>, message);
}

function parsed<Output>(schema: z.ZodType<Output>, { id, payload }: Message): Output {
  const result = schema.safeParse(payload);
  if (result.success) return result.data;
  throw new Poison(`what came as ${id} cannot be read: ${result.error.message.replaceAll(/\s+/g, ' ')}`);
}

/** What comes of work that may be refused: it has changed nothing then, and the transaction goes on. */
export async function orRefused<Result>(work: Promise<Result>): Promise<Result | { readonly refusal: Refusal }> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    const { type, message } = error;
    return { refusal: { type, message } };
  }
}

/** Options of {@link reactionsSink}. */
export interface ReactionsOf {
  /** Whose reactions they are: the first part of the name by which faults are injected, such as `inventory.orderCreated.reaction`. */
  readonly service: string;
  readonly inbox: Inbox;
  readonly reactions: Reactions;
  /** What it does about any other topic. Default: it is a dead letter */
  readonly others?: MessageHandler;
  readonly probe?: Probe;
}

/**
 * Where a service's messages go: one transaction for each. Several in one would lock the rows of several orders (wallets, stock) in
 * the order in which they came, and wait for each other.
 */
export function reactionsSink({
  service,
  inbox,
  reactions,
  others,
  probe = () => Promise.resolve(),
}: ReactionsOf): Sink {
  const at = (point: Parameters<Probe>[0], message: Message, signal: AbortSignal) =>
    probe(point, operationOf(service, message, signal));
  const never = new AbortController().signal;
  const handlers = Object.entries(reactions).map(([topic, react]): [string, MessageHandler] => [
    topic,
    async (sql, message) => {
      await at('working', message, never);
      const result = await react(sql, message);
      await at('worked', message, never);
      return result;
    },
  ]);
  const sink = inboxSink({ inbox, handlers: Object.fromEntries(handlers), others });
  return {
    async deliver(message, signal) {
      await at('before', message, signal);
      await sink.deliver(message, signal);
      await at('committed', message, signal);
    },
  };
}

/** A reaction as faults know operations. */
function operationOf(service: string, { topic, key = '', seq, attempt }: Message, signal: AbortSignal): Operation {
  const name = topic.replaceAll(/\.(\w)/g, (_, letter: string) => letter.toUpperCase());
  return {
    ...{ gid: orderGid(key), branch: topic, op: 'action', scheme: 'saga', seq, attempt, signal },
    ...{ function: `${service}.${name}.reaction`, driver: 'relay', who: 'relay', timeoutMs: 30_000 },
  };
}
