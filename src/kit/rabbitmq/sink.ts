import type { Message } from '../messages/message.js';
import { HeldUp, Poison, SinkUnavailable, type Delivered, type Sink } from '../messages/sink.js';
import { Link, asError, type Linked, type LinkOptions } from './link.js';
import { Publisher, type Publication } from './publisher.js';
import { within } from './within.js';

/** Options of {@link rabbitSink}. */
export interface RabbitSinkOptions extends LinkOptions {
  /** Where messages are sent to: an exchange that is there, such as a durable topic exchange. */
  readonly exchange: string;
  /** Default: the message's topic */
  readonly routingKey?: (message: Message) => string;
  /** How long the broker may take to confirm a message, in milliseconds; the connection is given up then. Default: 10,000 */
  readonly confirmMs?: number;
  /** How long a broker that takes nothing (its memory or its disk is full) is waited for, in milliseconds. Default: 5,000 */
  readonly blockedMs?: number;
  /** The broker's own limit (`max_message_size`), in bytes: it closes the channel of whoever sends more. Default: 16 MiB */
  readonly maxBytes?: number;
}

/** AMQP has texts of so many bytes. */
const LONGEST_NAME = 255;

/**
 * An exchange of RabbitMQ as the sink of a relay: each message is there for good when `deliver` resolves, in every queue that is
 * bound for it, and in one at least.
 *
 * A message travels as JSON, whole, with its id as the message id, and persistent. Of one key one is on its way at a time, so that none
 * overtakes another that fails; those of different keys go together.
 *
 * Errors: no queue takes it: tried again, then a dead letter. The broker cannot be reached, takes nothing, has no such exchange, or
 * refuses it (a queue is full): {@link SinkUnavailable}. More than `maxBytes`, or names beyond AMQP's 255 bytes: {@link Poison}.
 */
export function rabbitSink({
  exchange,
  routingKey = ({ topic }) => topic,
  confirmMs = 10_000,
  blockedMs = 5_000,
  maxBytes = 16 * 1024 * 1024,
  ...link
}: RabbitSinkOptions): Sink & Required<Pick<Sink, 'deliverAll' | 'close'>> {
  const broker = new Link(link, async (model, lose) => {
    const channel = await model.createConfirmChannel();
    let why: Error | undefined;
    channel.on('error', (error: Error) => (why = error));
    channel.on('close', () => {
      lose(why ?? new Error('its channel was closed'));
    });
    await channel.checkExchange(exchange);
    return new Publisher(channel);
  });

  const publicationOf = (message: Message): Publication => {
    const body = Buffer.from(JSON.stringify(message));
    const key = routingKey(message);
    for (const [what, bytes, most] of [
      ['a body', body.length, maxBytes],
      ['a routing key', Buffer.byteLength(key), LONGEST_NAME],
      ['an id', Buffer.byteLength(message.id), LONGEST_NAME],
    ] as const) {
      if (bytes > most)
        throw new Poison(`message '${message.id}' has ${what} of ${bytes} bytes: RabbitMQ takes ${most}`);
    }
    return { exchange, routingKey: key, body, messageId: message.id, properties: { contentType: 'application/json' } };
  };

  const ready = async (givenUp: GivenUp): Promise<Linked<Publisher>> => {
    const linked = await broker.open();
    if (linked.blocked === undefined) return linked;
    const waited = within(blockedMs, linked.unblocked, fullness(linked.blocked)).catch((error: unknown) => {
      throw new SinkUnavailable(asError(error).message, { cause: error });
    });
    await Promise.race([waited, givenUp]);
    return ready(givenUp);
  };

  const send = async (linked: Linked<Publisher>, message: Message, givenUp: GivenUp): Promise<void> => {
    const publication = publicationOf(message);
    const late = `RabbitMQ did not confirm message '${message.id}' within ${confirmMs} ms`;
    const confirmed = linked.made.publish(publication);
    confirmed.catch(() => undefined); // Nobody may be there any more to hear of it.
    const given = within(confirmMs, confirmed, late).catch((error: unknown) => {
      if (!(error instanceof Error) || error.message !== late) throw error;
      // A broker that says that it is full confirms it when it has room; one that says nothing may be gone.
      if (linked.blocked === undefined) linked.drop(error);
      throw new SinkUnavailable(linked.blocked === undefined ? late : fullness(linked.blocked), { cause: error });
    });
    await Promise.race([given, givenUp]);
  };

  return {
    isQueue: true,
    deliver: (message, signal) => withSignal(signal, async (givenUp) => send(await ready(givenUp), message, givenUp)),
    deliverAll: (messages, signal) =>
      withSignal(signal, async (givenUp) => {
        const linked = await ready(givenUp);
        const became: Delivered[] = messages.map(() => undefined);
        const sendLane = async (lane: readonly Placed[]) => {
          for (const [at, { place, message }] of lane.entries()) {
            try {
              await send(linked, message, givenUp);
            } catch (error) {
              became[place] = asError(error);
              for (const behind of lane.slice(at + 1)) became[behind.place] = new HeldUp();
              return;
            }
          }
        };
        await Promise.all(lanesOf(messages).map(sendLane));
        const first = became.find((error) => error instanceof SinkUnavailable);
        const isNothing = became.every((error) => error instanceof SinkUnavailable || error instanceof HeldUp);
        if (first !== undefined && isNothing) throw first;
        return became;
      }),
    close: () => broker.close(),
  };
}

interface Placed {
  readonly place: number;
  readonly message: Message;
}

/** Messages with their places, those of one key together. */
function lanesOf(messages: readonly Message[]): Placed[][] {
  const keyed = new Map<string, Placed[]>();
  const lanes: Placed[][] = [];
  messages.forEach((message, place) => {
    const { key } = message;
    let lane = key === undefined ? undefined : keyed.get(key);
    if (lane === undefined) lanes.push((lane = []));
    if (key !== undefined) keyed.set(key, lane);
    lane.push({ place, message });
  });
  return lanes;
}

function fullness(reason: string): string {
  return `RabbitMQ takes no messages: ${reason}`;
}

/** Does work unless, or until, it is given up: the work then goes on, and nobody hears of it. One listener for all that it waits for. */
async function withSignal<T>(signal: AbortSignal, work: (given: GivenUp) => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let giveUp: () => void = () => undefined;
  const given: GivenUp = new Promise<never>((_, reject) => {
    giveUp = () => {
      reject(asError(signal.reason));
    };
  });
  given.catch(() => undefined);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await work(given);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

/** Rejects when the delivery is given up. */
type GivenUp = Promise<never>;
