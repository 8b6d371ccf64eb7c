import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { inboxSink, SinkUnavailable, type Message } from '../../../src/kit/database/index.js';
import { rabbitConsumer, rabbitSink, type RabbitConsumer } from '../../../src/kit/rabbitmq/index.js';
import { Program } from '../../support/program.js';
import { chain, idsOf, interleaved, note, nth, Stage } from '../database/inbox/support.js';
import { until } from '../../support/until.js';
import { Rabbit } from './support/rabbit.js';
import { transpiled } from '../../support/transpiled.js';

describe('messages by way of RabbitMQ, whatever is killed', function () {
  this.timeout(180_000);
  const rabbit = new Rabbit();
  const stage = new Stage();
  const programs: Program[] = [];
  const consumers: RabbitConsumer[] = [];
  afterEach(async () => {
    for (const each of programs.splice(0)) {
      each.kill('SIGKILL');
      await each.ended;
    }
    for (const each of consumers.splice(0)) await each.stop();
  });
  const perKey = async (keys: readonly Message[][]) => {
    const effects = await stage.effects(keys.flat());
    assert.equal(effects.length, keys.flat().length);
    for (const key of keys) {
      const own = new Set(idsOf(key));
      assert.deepEqual(
        effects.filter((id) => own.has(id)),
        idsOf(key),
      );
    }
  };

  it('are handled once and in order when a consumer is killed in the midst of its work', async () => {
    const { queue, url } = await rabbit.declare();
    const { consumer } = stage.inbox();
    const keys = [chain(8), chain(8), chain(8)];
    const messages = interleaved(keys);
    for (const each of messages) await rabbit.send(queue, each);
    // Of one key: none of them comes to the next before it is killed.
    for (const stop of [5, 14, 20].map((at) => nth(messages, at).id)) {
      const program = new Program(transpiled('test/kit/rabbitmq/consumer-program.ts'), [
        url,
        queue,
        consumer,
        stage.url,
        stop,
      ]);
      programs.push(program);
      await program.printed(new RegExp(`working on ${stop}\\.`));
      program.kill('SIGKILL');
      await program.ended;
    }
    consumers.push(
      rabbitConsumer({
        ...{ url, queue, firstRetryMs: 20, mostRetryMs: 100 },
        sink: inboxSink({ inbox: stage.inbox({ consumer, order: 'per-key' }), handlers: { 'order.completed': note } }),
      }),
    );
    await until(async () => (await stage.effects(messages)).length >= messages.length);
    await perKey(keys);
  });

  it('are handled once and in order by several consumers at once, while the broker is killed', async () => {
    const { exchange, queue, url } = await rabbit.declare();
    const { consumer } = stage.inbox();
    const keys = Array.from({ length: 20 }, () => chain(20));
    const messages = interleaved(keys);
    for (let at = 0; at < 2; at++) {
      const inbox = stage.inbox({ consumer, order: 'per-key' });
      const sink = inboxSink({ inbox, handlers: { 'order.completed': note } });
      consumers.push(rabbitConsumer({ url, queue, sink, firstRetryMs: 20, mostRetryMs: 100 }));
    }
    const sink = rabbitSink({ url, exchange });
    const { signal } = new AbortController();
    const relay = async () => {
      for (let left: readonly Message[] = messages; left.length > 0;) {
        const batch = left.slice(0, 50);
        const became = await sink.deliverAll(batch, signal).catch(async (error: unknown) => {
          assert.ok(error instanceof SinkUnavailable);
          await delay(10); // A relay waits too.
          return batch.map(() => error);
        });
        left = [...batch.filter((_, at) => became[at] !== undefined), ...left.slice(50)];
      }
    };
    const relayed = relay();
    await until(async () => (await stage.effects(messages)).length > 100);
    await rabbit.broker.kill();
    await rabbit.broker.up();
    await relayed;
    await until(async () => (await stage.effects(messages)).length >= messages.length);
    await perKey(keys);
    await sink.close();
  });
});
