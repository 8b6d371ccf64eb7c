import { connect, type Channel, type ChannelModel, type GetMessage } from 'amqplib';
import type { Message } from '../../../../src/kit/database/index.js';
import { declareRabbit } from '../../../../src/kit/rabbitmq/index.js';
import { rabbitBroker } from '../../../support/servers.js';
import type { Broker } from '../../../support/rabbitmq.js';

let count = 0;

/** What a test looks at the broker with. Each suite that makes one is skipped where there is no broker. */
export class Rabbit {
  #broker: Broker | undefined;
  #eye: { model: ChannelModel; channel: Channel } | undefined;

  constructor() {
    const find = async () => (this.#broker = await rabbitBroker());
    const close = () => this.#close();
    before(async function () {
      this.timeout(300_000); // Nobody has unpacked it yet.
      // Its packages are Debian's: elsewhere there is none to be had, and the suite is shown as skipped.
      if ((await find()) === undefined) this.skip();
    });
    after(close);
  }

  get broker(): Broker {
    if (this.#broker === undefined) throw new Error('there is no broker yet');
    return this.#broker;
  }

  get url(): string {
    return this.broker.url;
  }

  /** An exchange and a queue of a test's own. */
  async declare(
    topics: readonly string[] = ['#'],
    type?: 'quorum',
  ): Promise<{ url: string; exchange: string; queue: string }> {
    const names = { url: this.url, exchange: `exchange-${++count}`, queue: `queue-${count}` };
    await declareRabbit({ ...names, topics, type });
    return names;
  }

  /** A channel of the test's own, made anew when the broker was away. */
  async channel(): Promise<Channel> {
    if (this.#eye === undefined) {
      const model = await connect(this.url);
      const forget = () => (this.#eye = undefined);
      model.on('error', forget);
      model.on('close', forget);
      const channel = await model.createChannel();
      channel.on('error', forget);
      channel.on('close', forget);
      this.#eye = { model, channel };
    }
    return this.#eye.channel;
  }

  /** How many messages wait in a queue that nobody was given. */
  async waiting(queue: string): Promise<number> {
    return (await (await this.channel()).checkQueue(queue)).messageCount;
  }

  /** Takes all that is in a queue. */
  async drain(queue: string): Promise<GetMessage[]> {
    const channel = await this.channel();
    const messages: GetMessage[] = [];
    for (;;) {
      const message = await channel.get(queue, { noAck: true });
      if (message === false) return messages;
      messages.push(message);
    }
  }

  /** Sends as a stranger would. */
  async send(queue: string, body: unknown, headers?: object): Promise<void> {
    const content = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    (await this.channel()).sendToQueue(queue, content, { messageId: (body as Partial<Message>).id, headers });
  }

  /** A queue's messages that are given to somebody and not acknowledged. */
  async unacknowledged(queue: string): Promise<number> {
    const lines = await this.broker.ctl('list_queues', 'name', 'messages_unacknowledged');
    return Number(new RegExp(`^${queue}\\s+(\\d+)$`, 'm').exec(lines)?.[1]);
  }

  async #close(): Promise<void> {
    const eye = this.#eye;
    await eye?.model.close().catch(() => undefined);
  }
}

export const messagesIn = (raw: readonly GetMessage[]): Message[] =>
  raw.map(({ content }) => JSON.parse(content.toString()) as Message);
