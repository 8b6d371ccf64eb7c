import { faultOf } from '../../messages/check.js';
import type { Message } from '../../messages/message.js';
import { Poison } from '../../messages/sink.js';
import { hashInput } from '../guard/json.js';

/** A message that came, and the hash of what makes it the same message. */
export interface Incoming {
  readonly message: Message;
  readonly hash: string;
}

/**
 * Looks at a message that came.
 *
 * Its source counts to its content: of two outboxes that give the same id to two messages the second is refused, and not taken
 * for the first.
 *
 * @throws {@link Poison} if it is none
 */
export function incomingOf(message: Message): Incoming {
  const fault = faultOf(message);
  if (fault !== undefined) throw new Poison(`what came is no message: ${fault}`);
  const { source, topic, key, payload } = message;
  return { message, hash: hashInput({ source, topic, key, payload }) };
}

/** How messages are called in errors. */
export function nameOf({ id, source, topic }: Message): string {
  return `message '${id}' (${topic}) from '${source}'`;
}
