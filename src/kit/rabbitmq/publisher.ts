import { IllegalOperationError, type ConfirmChannel, type Options } from 'amqplib';
import { SinkUnavailable } from '../messages/sink.js';
import { asError, textOf } from './link.js';

/** No queue took a message: nothing is bound for it. */
export class Unroutable extends Error {
  constructor({ exchange, routingKey }: Pick<Publication, 'exchange' | 'routingKey'>) {
    const where = exchange === '' ? 'the default exchange' : `exchange '${exchange}'`;
    super(`no queue takes what is sent to ${where} with routing key '${routingKey}': bind one`);
    this.name = 'Unroutable';
  }
}

/** What is published. */
export interface Publication {
  /** Empty: the default one, which takes the routing key for the name of a queue. */
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly messageId: string;
  readonly properties?: Options.Publish;
}

/**
 * Publishes on one channel, each message with a confirm of its own: many may be on their way.
 *
 * Invariant: it resolves only when every queue that takes the message has it for good. The broker returns what no queue takes
 * before it confirms it, so a message that was returned is known by then.
 */
export class Publisher {
  readonly #channel: ConfirmChannel;
  /** How many with this id were returned and not confirmed yet. */
  readonly #returned = new Map<string, number>();
  #drained: Promise<void> = Promise.resolve();
  #isFull = false;

  constructor(channel: ConfirmChannel) {
    this.#channel = channel;
    channel.on('return', ({ properties }) => {
      const id = String(properties.messageId);
      this.#returned.set(id, (this.#returned.get(id) ?? 0) + 1);
    });
  }

  /**
   * @throws {@link Unroutable}; {@link SinkUnavailable} if the broker did not take it, or the channel was lost: it may have it, or not
   */
  async publish({ exchange, routingKey, body, messageId, properties }: Publication): Promise<void> {
    while (this.#isFull) await this.#drained;
    await new Promise<void>((resolve, reject) => {
      const confirmed = (error: unknown) => {
        const returned = this.#returned.get(messageId) ?? 0;
        if (returned > 1) this.#returned.set(messageId, returned - 1);
        else this.#returned.delete(messageId);
        if (error) reject(new SinkUnavailable(`RabbitMQ did not take message '${messageId}': ${textOf(error)}`));
        else if (returned > 0) reject(new Unroutable({ exchange, routingKey }));
        else resolve();
      };
      const options = { ...properties, messageId, mandatory: true, persistent: true };
      try {
        if (!this.#channel.publish(exchange, routingKey, body, options, confirmed)) this.#fill();
      } catch (error) {
        if (error instanceof IllegalOperationError) confirmed(error);
        else reject(asError(error)); // It cannot be written.
      }
    });
  }

  /** The connection takes no more for now. */
  #fill(): void {
    if (this.#isFull) return;
    this.#isFull = true;
    this.#drained = new Promise((resolve) => {
      const free = () => {
        this.#channel.off('drain', free);
        this.#channel.off('close', free);
        this.#isFull = false;
        resolve();
      };
      this.#channel.once('drain', free);
      this.#channel.once('close', free);
    });
  }
}
