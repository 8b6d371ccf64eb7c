import { connect } from 'amqplib';

/** An exchange, and a queue for some of what is sent to it. */
export interface RabbitTopology {
  readonly url: string;
  /** A durable topic exchange. */
  readonly exchange: string;
  /** A durable queue, and one of the same name with `.dead` for its dead letters. */
  readonly queue: string;
  /** The topics that go to the queue, with `*` for a word and `#` for any. */
  readonly topics: readonly string[];
  /** `quorum`: kept by several brokers. `classic`: by one. Default: `classic` */
  readonly type?: 'classic' | 'quorum';
}

/**
 * Makes an exchange and a queue bound to it, if they are not there: for whoever has nobody else to do so.
 *
 * @throws the broker's error, as when one of them is there and was made otherwise
 */
export async function declareRabbit({ url, exchange, queue, topics, type = 'classic' }: RabbitTopology): Promise<void> {
  const model = await connect(url, { timeout: 10_000 });
  model.on('error', () => undefined); // Whoever waits for an answer hears of it.
  try {
    const channel = await model.createChannel();
    channel.on('error', () => undefined);
    await channel.assertExchange(exchange, 'topic', { durable: true });
    for (const name of [queue, `${queue}.dead`]) {
      await channel.assertQueue(name, { durable: true, arguments: { 'x-queue-type': type } });
    }
    for (const topic of topics) await channel.bindQueue(queue, exchange, topic);
  } finally {
    await model.close().catch(() => undefined);
  }
}
