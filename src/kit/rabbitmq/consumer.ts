import type { Sink } from '../messages/sink.js';
import { Late } from './late.js';
import { Link, asError, type LinkOptions } from './link.js';
import { Publisher } from './publisher.js';
import { rulesOf, type ConsumerRules } from './rules.js';
import { Session, type Channels } from './session.js';

/** Options of {@link rabbitConsumer}. */
export interface RabbitConsumerOptions extends LinkOptions, Partial<ConsumerRules> {
  /** A queue that is there. */
  readonly queue: string;
  /** Who handles messages: such as `inboxSink`. */
  readonly sink: Sink;
  /** Told of what goes wrong, for a log or an alarm; it must not throw. */
  readonly onTrouble?: (trouble: ConsumerTrouble) => void;
}

/** What goes wrong. */
export interface ConsumerTrouble {
  /**
   * `failed`: a message, which is tried again; `late`: one that cannot be handled yet when its window is over, and waits on: told once
   * by a consumer; `dead`: a message that became a dead letter; `unavailable`: the sink takes nothing; `connection`: the broker cannot be
   * used.
   */
  readonly kind: 'failed' | 'late' | 'dead' | 'unavailable' | 'connection';
  readonly error: Error;
  /** The message's id, as the broker has it. */
  readonly messageId?: string;
}

/** Handles a queue's messages until it is stopped. */
export interface RabbitConsumer {
  /** Resolves when it has been given the queue for the first time. */
  readonly ready: Promise<void>;
  /** Handles no more: what runs is waited for, as long as a delivery may take; the rest stays in the queue. */
  stop(): Promise<void>;
}

/**
 * Hands a queue's messages to a sink. A message is acknowledged when the sink has it for good: one that comes again, as the
 * consumer, the connection or the broker died before that, is told by the inbox.
 *
 * Messages of one key are handled one after the other, and those of different keys at once. One that fails is tried again with
 * backoff while it holds up its key only; after the time window it goes to the dead letters, with the reason in its headers. One
 * that nobody understands goes there at once. It leaves the queue only when it is there. One that cannot be handled yet, as the inbox says
 * of one that came before its time too, goes back to the queue after the window, with those of its key behind it, and comes again.
 *
 * Several consumers of one queue share its keys: order per key is then the inbox's to keep (`order: 'per-key'`).
 *
 * @throws a RangeError for wrong options
 */
export function rabbitConsumer(options: RabbitConsumerOptions): RabbitConsumer {
  const consumer = new Consumer(options);
  const running = consumer.run();
  return {
    ready: consumer.ready,
    async stop() {
      consumer.stop();
      await running;
    },
  };
}

class Consumer {
  readonly ready: Promise<void>;
  readonly #options: RabbitConsumerOptions;
  readonly #rules: ConsumerRules;
  readonly #broker: Link<Channels>;
  readonly #stopping = new AbortController();
  readonly #late = new Late();
  #isReady: () => void = () => undefined;

  constructor(options: RabbitConsumerOptions) {
    this.#options = options;
    this.#rules = rulesOf(options, options.sink.deliverAll !== undefined);
    this.ready = new Promise((resolve) => (this.#isReady = resolve));
    this.#broker = new Link<Channels>(options, async (model, lose) => {
      const opened = async () => {
        const channel = await model.createConfirmChannel();
        channel.on('error', lose);
        channel.on('close', () => {
          lose(new Error('its channel was closed'));
        });
        return channel;
      };
      // A channel for each: one that the broker closes as it cannot publish loses no deliveries.
      const channel = await opened();
      await channel.checkQueue(options.queue);
      await channel.prefetch(this.#rules.prefetch);
      return { channel, dead: new Publisher(await opened()) };
    });
  }

  stop(): void {
    this.#stopping.abort(new Error('the consumer stops'));
  }

  async run(): Promise<void> {
    const { signal } = this.#stopping;
    const { queue } = this.#options;
    while (!signal.aborted) {
      try {
        const linked = await this.#broker.open();
        const session = new Session(this.#options, this.#rules, linked, this.#late);
        const why = await session.run(signal, this.#isReady);
        if (why !== undefined) this.#trouble(why);
      } catch (error) {
        this.#trouble(new Error(`queue '${queue}' cannot be consumed: ${asError(error).message}`, { cause: error }));
      }
      await this.#broker.pause(signal);
    }
    this.#isReady();
    await this.#broker.close();
  }

  #trouble(error: Error): void {
    this.#options.onTrouble?.({ kind: 'connection', error });
  }
}
