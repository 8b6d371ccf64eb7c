import type { ConsumeMessage } from 'amqplib';
import { faultOf } from '../messages/check.js';
import type { Message } from '../messages/message.js';

/** How often a message was delivered before it became a dead letter: one that is sent again from there goes on counting. */
const DELIVERIES = 'x-backstitch-deliveries';

/** A message that a queue has delivered. */
export interface Delivery {
  readonly raw: ConsumeMessage;
  /** When it came, in milliseconds of its session's clock. */
  readonly at: number;
  /** What it says; or why nobody can read it. */
  readonly message: Message | string;
}

/** Reads what a queue has delivered. */
export function deliveryOf(raw: ConsumeMessage, at: number): Delivery {
  let given: unknown;
  try {
    given = JSON.parse(raw.content.toString());
  } catch {
    return { raw, at, message: 'it is no JSON' };
  }
  const fault = faultOf(given);
  if (fault !== undefined) return { raw, at, message: fault };
  const before: unknown = raw.properties.headers?.[DELIVERIES];
  const message = given as Message;
  if (!Number.isSafeInteger(before) || (before as number) < 1) return { raw, at, message };
  return { raw, at, message: { ...message, attempt: message.attempt + (before as number) } };
}

/** The message's id, by which it is known whenever it comes; of one that nobody can read, as the broker has it. */
export function idOf({ message, raw }: Delivery): string {
  return typeof message === 'string' ? String(raw.properties.messageId) : message.id;
}

/** Whether a message waits for another one, by what its source says. */
export function isBehind({ message }: Delivery, { message: other }: Delivery): boolean {
  if (typeof message === 'string' || typeof other === 'string') return false;
  return message.source === other.source && message.after === other.seq;
}

/** The headers of a dead letter: whose it was, why, and how often it was delivered. */
export function deadHeaders({ raw }: Delivery, queue: string, error: Error, deliveries: number) {
  const before: unknown = raw.properties.headers?.[DELIVERIES];
  return {
    ...raw.properties.headers,
    'x-backstitch-queue': queue,
    'x-backstitch-error': `${error.name}: ${error.message}`.slice(0, 1_000),
    [DELIVERIES]: (Number.isSafeInteger(before) ? (before as number) : 0) + deliveries,
  };
}
