import type { Message } from '../../messages/message.js';
import { Poison, SinkUnavailable, type Delivered, type Sink } from '../../messages/sink.js';
import { messageOf } from '../message.js';
import { NotBegun } from '../not-begun.js';
import type { Sql } from '../sql.js';
import { isConnectionLost } from '../sqlstate.js';
import { within } from '../within.js';
import type { Inbox } from './inbox.js';

/** How long a database that lost a connection is waited for, to tell whether it can be used, in milliseconds. */
const PROBE_MS = 5_000;

/** Handles a message in the SQL transaction in which it is noted that it was. */
export type MessageHandler = (sql: Sql, message: Message) => Promise<unknown>;

/** Options of {@link inboxSink}. */
export interface InboxSinkOptions {
  readonly inbox: Inbox;
  /** Who handles a message, by its topic. One whose topic is not there is {@link Poison}. */
  readonly handlers: Readonly<Record<string, MessageHandler>>;
  /** Who handles what has any other topic: for a consumer that hears of everything, from newer releases too. Default: {@link Poison} */
  readonly others?: MessageHandler;
}

/**
 * An inbox as the sink of a relay, or of a consumer of a queue: messages go from one database to another with nothing between.
 *
 * A handler throws a `Rejection` for a definite no, {@link Poison} for what it does not understand, and `NotYet` for what can
 * be done one day. Anything else is tried again.
 */
export function inboxSink({ inbox, handlers, others }: InboxSinkOptions): Sink & Required<Pick<Sink, 'deliverAll'>> {
  const handle: MessageHandler = (sql, message) => {
    const handler = Object.hasOwn(handlers, message.topic) ? handlers[message.topic] : others;
    if (handler !== undefined) return handler(sql, message);
    return Promise.reject(new Poison(`consumer '${inbox.consumer}' has no handler for topic '${message.topic}'`));
  };
  return {
    async deliver(message, signal) {
      try {
        await inbox.handle(message, (sql) => handle(sql, message), signal);
      } catch (error) {
        throw await explained(inbox, error);
      }
    },
    async deliverAll(messages, signal): Promise<Delivered[]> {
      try {
        const outcomes = await inbox.handleAll(messages, handle, signal);
        return outcomes.map((outcome) => (outcome instanceof Error ? outcome : undefined));
      } catch (error) {
        throw await explained(inbox, error);
      }
    },
  };
}

/**
 * The error as the relay understands it. A lost connection is no message's fault if the database cannot be used at all. If it can, it
 * is the message that loses its connection each time, and must not hold up all others for ever.
 */
async function explained({ consumer, database }: Inbox, error: unknown): Promise<unknown> {
  if (!isConnectionLost(error)) return error;
  const unavailable = () =>
    new SinkUnavailable(`the database of consumer '${consumer}' cannot be used: ${messageOf(error)}`, { cause: error });
  if (error instanceof NotBegun) return unavailable();
  try {
    await within(PROBE_MS, database.run('select 1', [], PROBE_MS));
    return error;
  } catch {
    return unavailable();
  }
}
