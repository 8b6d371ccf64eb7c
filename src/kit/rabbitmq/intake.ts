import type { Channel, ConsumeMessage } from 'amqplib';

/** So many times the prefetch at most. */
const MOST = 10;

/**
 * How many messages a queue may have given out that are not acknowledged. The broker fixes that for each of a channel's consumers when it
 * begins: so to take more, as many wait to be tried again, there is another one of the same channel, and the messages come in
 * their order still.
 */
export class Intake {
  readonly #channel: Channel;
  readonly #queue: string;
  readonly #prefetch: number;
  readonly #onMessage: (raw: ConsumeMessage | null) => void;
  readonly #tags: string[] = [];
  #changing: Promise<void> | undefined;
  #held = 0;
  #isClosed = false;

  /** @param prefetch of each of the channel's consumers, which it has been told */
  constructor(channel: Channel, queue: string, prefetch: number, onMessage: (raw: ConsumeMessage | null) => void) {
    this.#channel = channel;
    this.#queue = queue;
    this.#prefetch = prefetch;
    this.#onMessage = onMessage;
  }

  /** Begins. @throws the broker's error */
  async open(): Promise<void> {
    const { consumerTag } = await this.#channel.consume(this.#queue, this.#onMessage);
    this.#tags.push(consumerTag);
  }

  /** Leaves room for others beside so many messages that are held: half of it. */
  fit(held: number): void {
    this.#held = held;
    // Messages may come before the answer that it has begun.
    if (this.#changing !== undefined || this.#isClosed || this.#tags.length === 0) return;
    const wanted = Math.min(1 + Math.floor(held / Math.ceil(this.#prefetch / 2)), MOST);
    // One that is too many stays until two are: what is held comes and goes.
    if (wanted > this.#tags.length) this.#change(() => this.open());
    else if (wanted < this.#tags.length - 1) this.#change(() => this.#cancel());
  }

  /** Takes no more. What was given out stays given out. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#changing;
    while (this.#tags.length > 0) await this.#cancel();
  }

  async #cancel(): Promise<void> {
    const tag = this.#tags.pop();
    if (tag !== undefined) await this.#channel.cancel(tag);
  }

  /** A channel that is lost says so by itself. */
  #change(work: () => Promise<void>): void {
    this.#changing = work().then(
      () => {
        this.#changing = undefined;
        this.fit(this.#held);
      },
      () => undefined,
    );
  }
}
