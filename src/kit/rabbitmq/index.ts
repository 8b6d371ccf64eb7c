/**
 * `backstitch/rabbitmq`: messages by way of RabbitMQ. A relay publishes them by `rabbitSink`; `rabbitConsumer` hands them to an inbox.
 */
export { rabbitConsumer, type ConsumerTrouble, type RabbitConsumer, type RabbitConsumerOptions } from './consumer.js';
export type { LinkOptions } from './link.js';
export { Unroutable } from './publisher.js';
export type { ConsumerRules } from './rules.js';
export { rabbitSink, type RabbitSinkOptions } from './sink.js';
export { declareRabbit, type RabbitTopology } from './topology.js';
