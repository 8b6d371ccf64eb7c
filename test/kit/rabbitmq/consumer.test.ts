import assert from 'node:assert/strict';
import {
  inboxSink,
  NotYet,
  OutOfOrder,
  Poison,
  Rejection,
  SinkUnavailable,
  type Inbox,
  type Message,
  type MessageHandler,
  type Sink,
} from '../../../src/kit/database/index.js';
import {
  rabbitConsumer,
  type ConsumerTrouble,
  type RabbitConsumer,
  type RabbitConsumerOptions,
} from '../../../src/kit/rabbitmq/index.js';
import { chain, Gate, idsOf, message, note, nth, Stage } from '../database/inbox/support.js';
import { until } from '../../support/until.js';
import { messagesIn, Rabbit } from './support/rabbit.js';

describe('a consumer of RabbitMQ', function () {
  this.timeout(120_000);
  const rabbit = new Rabbit();
  const stage = new Stage();
  const running: RabbitConsumer[] = [];
  const consume = (options: RabbitConsumerOptions) => {
    const consumer = rabbitConsumer(options);
    running.push(consumer);
    return consumer;
  };
  afterEach(async () => {
    for (const each of running.splice(0)) await each.stop();
  });

  const sinkOf = (inbox: Inbox, handler: MessageHandler = note): Sink =>
    inboxSink({ inbox, handlers: { 'order.completed': handler } });
  /** One that takes messages one by one. */
  const single = (deliver: Sink['deliver']): Sink => ({ deliver });
  const all = async (queue: string, messages: readonly unknown[]) => {
    for (const each of messages) await rabbit.send(queue, each);
  };
  const handled = (messages: readonly Message[]) =>
    until(async () => (await stage.effects(messages)).length >= messages.length);
  /** Nothing is left in the queue, nor in anybody's hands. */
  const empty = (queue: string) =>
    until(async () => (await rabbit.waiting(queue)) === 0 && (await rabbit.unacknowledged(queue)) === 0);

  it('handles what comes once, however often it comes, and acknowledges it', async () => {
    const { queue, url } = await rabbit.declare();
    const messages = [...chain(10), ...Array.from({ length: 10 }, () => message())];
    await all(queue, [...messages, ...messages, messages[3], messages[15]]);
    consume({ url, queue, sink: sinkOf(stage.inbox({ order: 'per-key' })) });
    await handled(messages);
    await empty(queue);
    assert.deepEqual((await stage.effects(messages)).sort(), idsOf(messages).sort());
  });

  it('acknowledges only when the work is committed', async () => {
    const { queue, url } = await rabbit.declare();
    const [one, gate] = [message(), new Gate()];
    await rabbit.send(queue, one);
    const sink = sinkOf(stage.inbox(), async (sql, each) => {
      await note(sql, each);
      await gate.pass();
    });
    consume({ url, queue, sink });
    await gate.reached;
    assert.equal(await rabbit.unacknowledged(queue), 1);
    gate.open();
    await handled([one]);
    await empty(queue);
  });

  it('has as many in its hands as it may, and handles those of different keys at once', async () => {
    const { queue, url } = await rabbit.declare();
    const gate = new Gate();
    const begun: string[] = [];
    const sink = single(async ({ id }) => {
      begun.push(id);
      await gate.pass();
    });
    const messages = [...chain(2), ...Array.from({ length: 8 }, (_, at) => message({ key: `other-${at}` }))];
    await all(queue, messages);
    consume({ url, queue, sink, prefetch: 4 });
    await until(() => begun.length === 3);
    // The second of the first key waits for the first.
    assert.deepEqual(new Set(begun), new Set([0, 2, 3].map((at) => messages[at]?.id)));
    assert.deepEqual([await rabbit.unacknowledged(queue), await rabbit.waiting(queue)], [4, 6]);
    gate.open();
    await until(() => begun.length === messages.length);
    await empty(queue);
  });

  it('handles once what comes again when the connection is lost before it was acknowledged', async () => {
    const { queue, url } = await rabbit.declare();
    const inbox = stage.inbox({ order: 'per-key' });
    const messages = chain(5);
    const gate = new Gate();
    const sink = sinkOf(inbox, async (sql, each) => {
      await note(sql, each);
      if (each.seq === messages[1]?.seq) await gate.pass();
    });
    const troubles: ConsumerTrouble[] = [];
    await all(queue, messages);
    consume({ url, queue, sink, batch: 1, onTrouble: (trouble) => troubles.push(trouble) });
    await gate.reached;
    await rabbit.broker.ctl('close_all_connections', 'a test');
    gate.open();
    await handled(messages);
    await empty(queue);
    assert.ok(troubles.some(({ kind }) => kind === 'connection'));
    assert.deepEqual(await stage.effects(messages), idsOf(messages));
    assert.deepEqual((await inbox.handle(nth(messages, 1), () => Promise.resolve())).outcome, 'duplicate');
  });

  it('goes on when the broker was killed', async () => {
    const { queue, url } = await rabbit.declare();
    const [one, two] = [message(), message()];
    consume({ url, queue, sink: sinkOf(stage.inbox()) });
    const channel = async (each: Message) => rabbit.send(queue, each);
    await channel(one);
    await handled([one]);
    await rabbit.broker.kill();
    await rabbit.broker.up();
    await channel(two);
    await handled([two]);
    await empty(queue);
  });

  it('holds up nothing but its key while a message fails, and puts it to the dead letters after its window', async () => {
    const { queue, url } = await rabbit.declare();
    const bad = chain(3);
    const good = Array.from({ length: 20 }, (_, at) => message({ key: `good-${at % 4}` }));
    const tries: number[] = [];
    const sink = sinkOf(stage.inbox(), (sql, each) => {
      if (each.id !== bad[1]?.id) return note(sql, each);
      tries.push(each.attempt);
      throw new Error('a bug');
    });
    const troubles: ConsumerTrouble[] = [];
    await all(queue, [...bad, ...good]);
    const onTrouble = (trouble: ConsumerTrouble) => troubles.push(trouble);
    consume({ url, queue, sink, firstRetryMs: 20, mostRetryMs: 40, windowMs: 200, onTrouble });
    await handled([...good, nth(bad, 0), nth(bad, 2)]);
    await empty(queue);
    assert.ok(tries.length > 2, 'tried again');
    // Once with others, and then by itself; each time that it comes to it again counts.
    const attempts = [...new Set(tries)];
    assert.deepEqual(
      attempts,
      attempts.map((_, at) => at + 1),
    );
    const [dead, ...others] = await rabbit.drain(`${queue}.dead`);
    assert.deepEqual([messagesIn(dead ? [dead] : []), others], [[bad[1]], []]);
    assert.equal(dead?.properties.headers?.['x-backstitch-error'], 'Error: a bug');
    assert.equal(dead.properties.headers['x-backstitch-queue'], queue);
    assert.deepEqual(
      troubles.filter(({ kind }) => kind === 'dead').map(({ messageId }) => messageId),
      [bad[1]?.id],
    );
  });

  it('takes more while many wait behind a message that fails, so that others are handled', async () => {
    const { queue, url } = await rabbit.declare();
    const [bad, good] = [chain(30), chain(5)];
    const sink = sinkOf(stage.inbox(), (sql, each) => {
      if (each.key === bad[0]?.key) throw new Error('a bug');
      return note(sql, each);
    });
    await all(queue, [...bad, ...good]);
    consume({ url, queue, sink, prefetch: 8, firstRetryMs: 600_000, mostRetryMs: 600_000 });
    await handled(good);
    assert.deepEqual(await stage.effects([...bad, ...good]), idsOf(good));
    assert.equal(await rabbit.unacknowledged(queue), 30);
  });

  it('puts at once to the dead letters what nobody understands, or what was refused; sent again it is tried again', async () => {
    const { queue, url } = await rabbit.declare();
    const inbox = stage.inbox();
    let isRefused = true;
    const sink = sinkOf(inbox, (sql, each) => {
      if (isRefused) throw new Rejection('NoAccount', 'there is no such account');
      return note(sql, each);
    });
    const [refused, unknown] = [message(), message({ topic: 'unknown' })];
    await all(queue, ['no json', { id: 'x' }, unknown, refused]);
    consume({ url, queue, sink });
    const dead = `${queue}.dead`;
    await until(async () => (await rabbit.waiting(dead)) === 4);
    const letters = await rabbit.drain(dead);
    const errors = letters.map(({ properties }) => String(properties.headers?.['x-backstitch-error'])).sort();
    assert.match(
      errors.join('\n'),
      /no handler.*\n.*was refused \(NoAccount\).*\n.*it is no JSON\n.*its topic is no text/,
    );
    isRefused = false;
    const again = letters.find(({ content }) => content.toString().includes(refused.id));
    assert.ok(again);
    (await rabbit.channel()).sendToQueue(queue, again.content, { headers: again.properties.headers });
    await handled([refused]);
    await empty(queue);
  });

  it('keeps a message in the queue while there is nowhere for dead letters', async () => {
    const { queue, url } = await rabbit.declare();
    const dead = `${queue}.dead`;
    await (await rabbit.channel()).deleteQueue(dead);
    const troubles: string[] = [];
    await rabbit.send(queue, 'no json');
    const onTrouble = ({ error }: ConsumerTrouble) => troubles.push(error.message);
    consume({ url, queue, sink: sinkOf(stage.inbox()), firstRetryMs: 20, mostRetryMs: 20, onTrouble });
    await until(() => troubles.length > 2);
    assert.match(
      troubles[0] ?? '',
      /cannot be put to the dead letters: no queue takes .* routing key 'queue-\d+.dead'/,
    );
    assert.equal(await rabbit.unacknowledged(queue), 1);
    await (await rabbit.channel()).assertQueue(dead, { durable: true });
    await until(async () => (await rabbit.waiting(dead)) === 1);
    await empty(queue);
  });

  for (const type of ['classic', 'quorum'] as const)
    it(`gives back to a ${type} queue what cannot be handled yet, with what is behind it, and gets it again`, async () => {
      const { queue, url } = await rabbit.declare(['#'], type === 'quorum' ? type : undefined);
      const messages = chain(3);
      let tries = 0;
      const sink = sinkOf(stage.inbox({ order: 'per-key' }), (sql, each) => {
        if (++tries < 8) throw new NotYet('out of stock');
        return note(sql, each);
      });
      await all(queue, messages);
      consume({ url, queue, sink, firstRetryMs: 10, mostRetryMs: 10, windowMs: 30 });
      await handled(messages);
      await empty(queue);
      assert.deepEqual(await stage.effects(messages), idsOf(messages));
      assert.equal(await rabbit.waiting(`${queue}.dead`), 0);
    });

  it('gives back what comes before its time, as one that cannot be handled yet is in the hands of another consumer', async () => {
    const { queue, url } = await rabbit.declare();
    const { consumer } = stage.inbox();
    const messages = chain(6);
    const troubles: (ConsumerTrouble & { readonly by: number })[] = [];
    const early = () => troubles.filter(({ error }) => error instanceof OutOfOrder);
    let isThere = false;
    for (const by of [1, 2]) {
      const sink = sinkOf(stage.inbox({ consumer, order: 'per-key' }), (sql, each) => {
        if (!isThere) throw new NotYet('out of stock');
        return note(sql, each);
      });
      const onTrouble = (trouble: ConsumerTrouble) => troubles.push({ ...trouble, by });
      const options = { url, queue, sink, onTrouble, prefetch: 1, firstRetryMs: 10, mostRetryMs: 10, windowMs: 50 };
      await consume(options).ready;
    }
    await all(queue, messages);
    // They change hands again and again meanwhile.
    const isDead = () => troubles.some(({ kind }) => kind === 'dead');
    await until(() => isDead() || (early().some(({ kind }) => kind === 'late') && early().length > 50));
    assert.ok(!isDead());
    isThere = true;
    await handled(messages);
    await empty(queue);
    assert.deepEqual(await stage.effects(messages), idsOf(messages));
    assert.equal(await rabbit.waiting(`${queue}.dead`), 0);
    const late = troubles.filter(({ kind }) => kind === 'late').map(({ by, messageId }) => `${by} ${messageId}`);
    assert.deepEqual(late, [...new Set(late)], 'told once');
    assert.ok(early().some(({ kind }) => kind === 'late'));
    assert.ok(troubles.every(({ kind }) => kind === 'late' || kind === 'failed'));
  });

  it('handles a dead letter that is sent again before those that wait for it', async () => {
    const { queue, url } = await rabbit.declare();
    const messages = chain(5);
    let isMended = false;
    const sink = sinkOf(stage.inbox({ order: 'per-key' }), (sql, each) => {
      if (!isMended && idsOf(messages.slice(0, 2)).includes(each.id)) throw new Poison('what is this?');
      return note(sql, each);
    });
    await all(queue, messages.slice(0, 1));
    const troubles: ConsumerTrouble[] = [];
    const onTrouble = (trouble: ConsumerTrouble) => troubles.push(trouble);
    consume({ url, queue, sink, onTrouble, firstRetryMs: 10, mostRetryMs: 10, windowMs: 200 });
    await until(async () => (await rabbit.waiting(`${queue}.dead`)) === 1);
    await all(queue, messages.slice(1));
    await until(() => troubles.some(({ kind }) => kind === 'late'));
    const [dead] = await rabbit.drain(`${queue}.dead`);
    assert.ok(dead);
    isMended = true;
    (await rabbit.channel()).sendToQueue(queue, dead.content, { headers: dead.properties.headers });
    await handled(messages);
    await empty(queue);
    assert.deepEqual(await stage.effects(messages), idsOf(messages));
  });

  it('leaves the sink alone while it takes nothing, and blames no message', async () => {
    const { queue, url } = await rabbit.declare();
    const messages = [...chain(3), message()];
    let asked = 0;
    const troubles: ConsumerTrouble[] = [];
    const inbox = sinkOf(stage.inbox());
    const sink = single((each, signal) => {
      if (++asked < 10) return Promise.reject(new SinkUnavailable('no database'));
      return inbox.deliver(each, signal);
    });
    await all(queue, messages);
    const onTrouble = (trouble: ConsumerTrouble) => troubles.push(trouble);
    consume({ url, queue, sink, firstRetryMs: 10, mostRetryMs: 20, windowMs: 1, onTrouble });
    await handled(messages);
    await empty(queue);
    assert.equal(await rabbit.waiting(`${queue}.dead`), 0);
    assert.deepEqual(new Set(troubles.map(({ kind }) => kind)), new Set(['unavailable']));
  });

  it('stops in order: what runs ends, is acknowledged, and the rest stays in its place', async () => {
    const { queue, url } = await rabbit.declare();
    const messages = chain(5);
    const gate = new Gate();
    const sink = single(() => gate.pass());
    await all(queue, messages);
    const consumer = consume({ url, queue, sink });
    await gate.reached;
    const stopped = consumer.stop();
    gate.open();
    await stopped;
    assert.deepEqual(idsOf(messagesIn(await rabbit.drain(queue))), idsOf(messages.slice(1)));
    await consumer.stop();
  });

  it('stops while it waits to try again, and while there is no broker', async () => {
    const { queue, url } = await rabbit.declare();
    let tries = 0;
    const sink = single(() => {
      tries++;
      return Promise.reject(new Error('a bug'));
    });
    await rabbit.send(queue, message());
    const failing = consume({ url, queue, sink, firstRetryMs: 60_000 });
    await until(() => tries === 1);
    await failing.stop();
    assert.equal((await rabbit.drain(queue)).length, 1);
    const troubles: string[] = [];
    const lost = consume({
      url: 'amqp://127.0.0.1:1',
      queue,
      sink,
      onTrouble: ({ error }) => troubles.push(error.message),
    });
    await until(() => troubles.length > 1);
    assert.match(troubles[0] ?? '', new RegExp(`queue '${queue}' cannot be consumed: .*ECONNREFUSED`));
    await lost.stop();
  });

  it('waits for its queue to be made', async () => {
    const channel = await rabbit.channel();
    const queue = 'made-later';
    const troubles: string[] = [];
    const one = message();
    const consumer = consume({
      ...{ url: rabbit.url, queue, sink: sinkOf(stage.inbox()) },
      onTrouble: ({ error }) => troubles.push(error.message),
    });
    await until(() => troubles.length > 1);
    assert.match(troubles[0] ?? '', /no queue 'made-later'/);
    await channel.assertQueue(queue, { durable: true });
    await consumer.ready;
    await rabbit.send(queue, one);
    await handled([one]);
    // And to be made again, when somebody has removed it.
    const before = troubles.length;
    await channel.deleteQueue(queue);
    await until(() => troubles.length > before + 1);
    await channel.assertQueue(queue, { durable: true });
    const two = message();
    await rabbit.send(queue, two);
    await handled([two]);
  });

  it('refuses options that make no sense', () => {
    const options = { url: 'amqp://127.0.0.1', queue: 'q', sink: single(() => Promise.resolve()) };
    for (const wrong of [{ prefetch: 0 }, { prefetch: 65_536 }, { concurrency: 0.5 }, { windowMs: Number.NaN }]) {
      assert.throws(() => rabbitConsumer({ ...options, ...wrong }), RangeError);
    }
  });

  it('blames nobody for a message that is poison among many', async () => {
    const { queue, url } = await rabbit.declare();
    const messages = Array.from({ length: 30 }, () => message());
    const sink = sinkOf(stage.inbox(), (sql, each) => {
      if (each.id === messages[7]?.id) throw new Poison('what is this?');
      return note(sql, each);
    });
    await all(queue, messages);
    consume({ url, queue, sink, batch: 30, concurrency: 1 });
    await handled(messages.filter((_, at) => at !== 7));
    await until(async () => (await rabbit.waiting(`${queue}.dead`)) === 1);
    await empty(queue);
  });
});
