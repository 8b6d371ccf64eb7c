import type { Message } from './message.js';

/**
 * Where a relay delivers messages to: a workflow, a broker, another database's inbox, or anything of one's own.
 *
 * A message may be delivered more than once (the relay may die before it has noted that it was), so whoever gets it
 * recognizes it by its id.
 */
export interface Sink {
  /**
   * Delivers one message: resolves when the other side has it for good.
   *
   * @param signal aborted when the relay stops, or when the delivery takes longer than the relay waits: what it led to is not known
   * then, and the message is delivered again
   * @throws {@link Poison} it can never be delivered: it becomes a dead letter at once
   * @throws {@link NotYet} it cannot be delivered now, and will be: it is tried for ever, and holds up its key
   * @throws {@link SinkUnavailable} nothing can be delivered now: the subscriber waits, and no message is to blame
   * @throws any other error: tried again with backoff; after the time window it becomes a dead letter
   */
  deliver(message: Message, signal: AbortSignal): Promise<void>;
  /**
   * Delivers many, in their order, faster than one by one; resolves to what became of each, in the same order. After one that
   * failed no later one of the same key was delivered: those are reported as {@link HeldUp}.
   *
   * Optional: without it each is delivered by itself, those of one key one after the other.
   *
   * @throws {@link SinkUnavailable}; any other error: each is delivered by itself then
   */
  deliverAll?(messages: readonly Message[], signal: AbortSignal): Promise<readonly Delivered[]>;
  /**
   * Whether messages wait in a queue behind it, and may be handled there by several at once: each is then told what comes before it
   * ({@link Message.after}), which costs a row for each key. Default: no
   */
  readonly isQueue?: boolean;
  /** Gives up what it holds: connections. */
  close?(): Promise<void>;
}

/** What became of one message: nothing to say of one that was delivered. */
export type Delivered = Error | undefined;

/** The message can never be delivered, however often it is tried: nobody understands it. */
export class Poison extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Poison';
  }
}

/** The message cannot be handled now, and will be one day: out of stock until goods come. It never becomes a dead letter. */
export class NotYet extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NotYet';
  }
}

/** The other side cannot be reached, or takes nothing: that is no message's fault, and no message's window runs. */
export class SinkUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SinkUnavailable';
  }
}

/** A message of the same key before it was not delivered: it was not tried. */
export class HeldUp extends Error {
  constructor() {
    super('a message of the same key before it was not delivered');
    this.name = 'HeldUp';
  }
}
