import { declareRabbit, rabbitConsumer, rabbitSink, type RabbitConsumer } from '../../src/kit/rabbitmq/index.js';
import { outboxSystem } from './outbox.js';
import type { MessageStage, MessageSystem } from './system.js';

/** The kit, by way of a broker: outbox, relay, RabbitMQ, consumer, inbox. @param url a broker's; it gets a queue of each run's own */
export function rabbitSystem(stage: MessageStage, url: string): MessageSystem {
  const name = `backstitch-bench-${process.pid}-${Date.now()}`;
  const topology = { url, exchange: name, queue: name, topics: ['#'] };
  let sink: ReturnType<typeof rabbitSink> | undefined;
  let consumer: RabbitConsumer | undefined;
  return outboxSystem(stage, {
    open: () => declareRabbit(topology),
    async start(inbox) {
      const onTrouble = ({ error }: { error: Error }) => {
        console.error(error);
      };
      consumer = rabbitConsumer({ url, queue: name, sink: inbox, onTrouble });
      await consumer.ready;
      return (sink = rabbitSink({ url, exchange: name }));
    },
    async stop() {
      await sink?.close();
      await consumer?.stop();
    },
  });
}
