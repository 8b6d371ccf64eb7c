import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { HeldUp, Poison, SinkUnavailable, type Message } from '../../../src/kit/database/index.js';
import { rabbitSink, Unroutable, type RabbitSinkOptions } from '../../../src/kit/rabbitmq/index.js';
import { chain, idsOf, interleaved, message, nth } from '../database/inbox/support.js';
import { Proxy } from './support/proxy.js';
import { until } from '../../support/until.js';
import { messagesIn, Rabbit } from './support/rabbit.js';

describe('RabbitMQ as a sink', function () {
  this.timeout(120_000);
  const rabbit = new Rabbit();
  const { signal } = new AbortController();
  const open: { close(): Promise<void> }[] = [];
  const sinkOf = (options: RabbitSinkOptions) => {
    const sink = rabbitSink(options);
    open.push(sink);
    return sink;
  };
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });

  /** Delivers until all is delivered, as a relay does. */
  async function relay(sink: ReturnType<typeof rabbitSink>, messages: readonly Message[], atOnce = 100): Promise<void> {
    let left = [...messages];
    while (left.length > 0) {
      const batch = left.slice(0, atOnce);
      const became = await sink.deliverAll(batch, signal).catch((error: unknown) => {
        assert.ok(error instanceof SinkUnavailable, String(error));
        return undefined;
      });
      if (became === undefined) {
        await delay(10); // A relay waits too.
        continue;
      }
      for (const error of became) assert.ok(!error || error instanceof SinkUnavailable || error instanceof HeldUp);
      left = [...batch.filter((_, at) => became[at] !== undefined), ...left.slice(batch.length)];
    }
  }

  it('publishes the whole message, persistent, by its topic, under its id', async () => {
    const { exchange, queue, url } = await rabbit.declare(['order.*']);
    const one = message({ topic: 'order.completed', key: 'k', after: 3, payload: { ä: '😀' } });
    await sinkOf({ url, exchange }).deliver(one, signal);
    const [raw, ...others] = await rabbit.drain(queue);
    assert.deepEqual([messagesIn(raw ? [raw] : []), others], [[one], []]);
    const properties: Partial<Record<string, unknown>> = { ...raw?.properties };
    assert.deepEqual([properties.messageId, properties.deliveryMode], [one.id, 2]);
    assert.equal(properties.contentType, 'application/json');
    assert.equal(raw?.fields.routingKey, 'order.completed');
  });

  it('fails for a message that no queue takes, and names exchange and routing key', async () => {
    const { exchange, queue, url } = await rabbit.declare(['known']);
    const sink = sinkOf({ url, exchange });
    const stray = message({ topic: 'unknown' });
    await assert.rejects(sink.deliver(stray, signal), (error: Error) => {
      assert.ok(error instanceof Unroutable);
      assert.match(error.message, new RegExp(`exchange '${exchange}' with routing key 'unknown'`));
      return true;
    });
    // The same at once twice, and others between them.
    const all = [stray, message({ topic: 'known' }), stray, message({ topic: 'known' })];
    const became = await sink.deliverAll(all, signal);
    assert.deepEqual(
      became.map((error) => error?.name),
      ['Unroutable', undefined, 'Unroutable', undefined],
    );
    assert.equal(await rabbit.waiting(queue), 2);
  });

  it('keeps the order of each key, and sends nothing of a key behind a message that failed', async () => {
    const { exchange, queue, url } = await rabbit.declare(['known']);
    const keys = Array.from({ length: 20 }, () => chain(25, undefined, { topic: 'known' }));
    const broken = nth(keys, 0);
    broken[10] = { ...nth(broken, 10), topic: 'unknown' };
    const all = interleaved(keys);
    const became = await sinkOf({ url, exchange }).deliverAll(all, signal);
    const arrived = messagesIn(await rabbit.drain(queue));
    for (const key of keys) {
      const sent = key === broken ? key.slice(0, 10) : key;
      assert.deepEqual(idsOf(arrived.filter((each) => each.key === key[0]?.key)), idsOf(sent));
      assert.deepEqual(
        key.map((each) => became[all.indexOf(each)]?.name),
        key.map((_, at) => (key !== broken || at < 10 ? undefined : at === 10 ? 'Unroutable' : 'HeldUp')),
      );
    }
  });

  it('has many on their way at once', async () => {
    const { exchange, url } = await rabbit.declare();
    const proxy = await Proxy.to(rabbit.broker.port);
    open.push(proxy);
    const sink = sinkOf({
      url: url.replace(String(rabbit.broker.port), String(proxy.port)),
      exchange,
      confirmMs: 2_000,
    });
    await sink.deliver(message(), signal);
    proxy.isSilent = true;
    // Not one of them is confirmed: one after the other they would take as many times as long, and not fail together.
    const many = Array.from({ length: 100 }, () => message());
    await assert.rejects(sink.deliverAll(many, signal), SinkUnavailable);
    proxy.isSilent = false;
    await relay(sink, many);
  });

  it('delivers again what was published when its confirms are lost', async () => {
    const { exchange, queue, url } = await rabbit.declare();
    const proxy = await Proxy.to(rabbit.broker.port);
    open.push(proxy);
    const sink = sinkOf({
      url: url.replace(String(rabbit.broker.port), String(proxy.port)),
      exchange,
      confirmMs: 2_000,
    });
    const messages = chain(5);
    await sink.deliver(nth(messages, 0), signal);
    proxy.isSilent = true;
    await assert.rejects(sink.deliver(nth(messages, 1), signal), (error: Error) => {
      assert.ok(error instanceof SinkUnavailable);
      assert.match(error.message, /did not confirm message '.*' within 2000 ms/);
      return true;
    });
    await until(async () => (await rabbit.waiting(queue)) === 2);
    proxy.isSilent = false;
    await relay(sink, messages.slice(1));
    const arrived = idsOf(messagesIn(await rabbit.drain(queue)));
    const [first, lost, ...rest] = idsOf(messages);
    assert.deepEqual(arrived, [first, lost, lost, ...rest]);
  });

  it('loses nothing that was confirmed, and no order, when the broker is killed again and again', async () => {
    const { exchange, queue, url } = await rabbit.declare();
    const sink = sinkOf({ url, exchange });
    const keys = Array.from({ length: 10 }, () => chain(60));
    const sent = interleaved(keys);
    let isRelayed = false;
    const relayed = relay(sink, sent, 10).then(() => (isRelayed = true));
    for (const some of [20, 200]) {
      await until(async () => (await rabbit.waiting(queue).catch(() => 0)) >= some);
      await rabbit.broker.kill();
      assert.ok(!isRelayed, 'it was killed too late');
      await rabbit.broker.up();
    }
    await relayed;
    const arrived = messagesIn(await rabbit.drain(queue));
    for (const key of keys) {
      const own = arrived.filter((each) => each.key === key[0]?.key).map(({ id }) => id);
      // Some came twice; the first of each is in its place.
      assert.deepEqual([...new Set(own)], idsOf(key));
    }
  });

  it('says that it is not to be had when its exchange is not there, and is, when it is made', async () => {
    const exchange = 'made-later';
    const sink = sinkOf({ url: rabbit.url, exchange });
    const one = message();
    await assert.rejects(sink.deliver(one, signal), (error: Error) => {
      assert.ok(error instanceof SinkUnavailable);
      assert.match(error.message, /no exchange 'made-later'/);
      return true;
    });
    const channel = await rabbit.channel();
    await channel.assertExchange(exchange, 'topic', { durable: false });
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, exchange, '#');
    await until(() =>
      sink.deliver(one, signal).then(
        () => true,
        () => false,
      ),
    );
    // And when it goes away while it is used.
    await channel.deleteExchange(exchange);
    await assert.rejects(sink.deliver(one, signal), SinkUnavailable);
  });

  it('waits a while for a broker that is full, and says then that it takes nothing', async () => {
    const { exchange, queue, url } = await rabbit.declare();
    const hasty = sinkOf({ url, exchange, confirmMs: 1_000, blockedMs: 100 });
    const patient = sinkOf({ url, exchange, confirmMs: 1_000, blockedMs: 60_000 });
    const messages = [message(), message(), message()] as const;
    await rabbit.broker.ctl('set_vm_memory_high_watermark', '0.0001');
    const full = (error: Error) => {
      assert.ok(error instanceof SinkUnavailable);
      assert.match(error.message, /RabbitMQ takes no messages: low on memory/);
      return true;
    };
    try {
      // Who has sent nothing yet is told with its first.
      await assert.rejects(hasty.deliver(messages[0], signal), full);
      await assert.rejects(hasty.deliver(messages[0], signal), full);
      await assert.rejects(patient.deliver(messages[1], signal), full);
      const waiting = patient.deliver(messages[1], signal);
      await rabbit.broker.ctl('set_vm_memory_high_watermark', '0.4');
      await waiting;
    } finally {
      await rabbit.broker.ctl('set_vm_memory_high_watermark', '0.4');
    }
    await relay(hasty, [messages[0], messages[2]]);
    const arrived = idsOf(messagesIn(await rabbit.drain(queue)));
    assert.deepEqual(new Set(arrived), new Set(idsOf(messages)));
  });

  it('takes for poison what the broker would close its channel for', async () => {
    const { exchange, url } = await rabbit.declare();
    const sink = sinkOf({ url, exchange, maxBytes: 1_000 });
    await assert.rejects(sink.deliver(message({ payload: 'x'.repeat(1_000) }), signal), Poison);
    await assert.rejects(sink.deliver(message({ topic: 'ä'.repeat(200) }), signal), Poison);
    await assert.rejects(sink.deliver(message({ id: '😀'.repeat(100) }), signal), Poison);
    await sink.deliver(message(), signal);
  });

  it('is not to be had while there is no broker, nor after it was closed; whoever leaves is let go', async () => {
    const { exchange, url } = await rabbit.declare();
    const nowhere = sinkOf({ url: 'amqp://127.0.0.1:1', exchange });
    for (let tries = 0; tries < 3; tries++) await assert.rejects(nowhere.deliver(message(), signal), SinkUnavailable);
    const sink = sinkOf({ url, exchange });
    await sink.deliver(message(), signal);
    await assert.rejects(sink.deliver(message(), AbortSignal.abort(new Error('left'))), /left/);
    await sink.close();
    await assert.rejects(sink.deliver(message(), signal), SinkUnavailable);
  });
});
