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
  /**
   * `quorum`: kept by several brokers, without a limit of deliveries, as what cannot be handled yet is given back again and again.
   * `classic`: by one. Default: `classic`
   */
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
    const given = queueArguments(type, model.connection.serverProperties.version);
    for (const name of [queue, `${queue}.dead`]) await channel.assertQueue(name, { durable: true, arguments: given });
    for (const topic of topics) await channel.bindQueue(queue, exchange, topic);
  } finally {
    await model.close().catch(() => undefined);
  }
}

/**
 * What a queue is made with. Of a quorum queue, RabbitMQ drops a message that was delivered 20 times, from 4.0 on, unless it is told that
 * there is no limit; brokers before that have none, and do not take a number that stands for none.
 *
 * @param version the broker's, such as `4.1.2`; of one that nobody can read it is said as of a new one: a broker refuses what it does not know
 */
export function queueArguments(type: 'classic' | 'quorum', version: string): Readonly<Record<string, string | number>> {
  const isUnlimited = type === 'classic' || Number.parseInt(version, 10) < 4;
  return { 'x-queue-type': type, ...(!isUnlimited && { 'x-delivery-limit': -1 }) };
}
