import assert from 'node:assert/strict';
import { HeldUp, SinkUnavailable, type Message, type Sink } from '../../../../src/kit/database/index.js';
import type { Waiting } from '../../../../src/kit/database/outbox/stream.js';
import { deliverBatch } from '../../../../src/kit/worker/outbox/deliver.js';

const messages = (...keys: (string | undefined)[]): Waiting[] =>
  keys.map((key, place) => ({
    ...{ id: `m${place + 1}`, topic: 't', payload: undefined, source: 's', seq: place + 1, addedAt: 0 },
    ...(key !== undefined && { key }),
  }));

/** A sink that does with each message what its number says, and notes which came. */
const sinkOf = (does: Record<string, () => Promise<void>>, deliverAll?: Sink['deliverAll']) => {
  const came: string[] = [];
  const deliver = ({ id }: Message) => {
    came.push(id);
    return does[id]?.() ?? Promise.resolve();
  };
  return { came, sink: { deliver, ...(deliverAll && { deliverAll }) } satisfies Sink };
};
const no = () => Promise.reject(new Error('no'));
const never = () => new Promise<void>(() => undefined);
const running = new AbortController().signal;

describe('a batch', () => {
  const words = (became: readonly (Error | undefined)[]) => became.map((error) => error?.message ?? 'delivered');

  it('goes one by one: after one that fails those of its key are held up, and the others go on', async () => {
    const { came, sink } = sinkOf({ m1: no });
    const became = await deliverBatch(sink, { messages: messages('a', 'b', 'a', 'b'), attempts: 0 }, 1_000, running);
    assert.deepEqual(words(became), ['no', 'delivered', new HeldUp().message, 'delivered']);
    assert.deepEqual(came, ['m1', 'm2', 'm4']);
  });

  it('begins no further message when its time is over: what is left is found again', async () => {
    const { came, sink } = sinkOf({ m1: never });
    const became = await deliverBatch(sink, { messages: messages('a', 'b', 'c'), attempts: 0 }, 20, running);
    assert.deepEqual(words(became), ['it was not delivered within 0.02 s', new HeldUp().message, new HeldUp().message]);
    assert.deepEqual(came, ['m1']);
  });

  it('goes together where the sink takes many, and one by one when that fails', async () => {
    const together = sinkOf({}, (all) => Promise.resolve(all.map(() => undefined)));
    assert.deepEqual(
      words(await deliverBatch(together.sink, { messages: messages('a', 'b'), attempts: 0 }, 1_000, running)),
      ['delivered', 'delivered'],
    );
    assert.deepEqual(together.came, []);
    for (const wrong of [() => no().then(() => []), () => Promise.resolve([]), () => never().then(() => [])]) {
      const { came, sink } = sinkOf({}, wrong);
      await deliverBatch(sink, { messages: messages('a', 'b'), attempts: 0 }, 20, running);
      assert.equal(came[0], 'm1');
    }
  });

  it('goes one by one where its first message has failed before: the others shall not fail with it', async () => {
    const { came, sink } = sinkOf({}, () => assert.fail('together'));
    await deliverBatch(sink, { messages: messages('a', 'a'), attempts: 1 }, 1_000, running);
    assert.deepEqual(came, ['m1', 'm2']);
  });

  it('tells that the sink takes nothing; what it had taken before is not forgotten', async () => {
    const away = () => Promise.reject(new SinkUnavailable('away'));
    const first = sinkOf({ m1: away });
    const batch = { messages: messages('a', 'b', 'c'), attempts: 0 };
    await assert.rejects(deliverBatch(first.sink, batch, 1_000, running), SinkUnavailable);
    const second = sinkOf({ m2: away });
    const became = await deliverBatch(second.sink, batch, 1_000, running);
    assert.deepEqual(words(became), ['delivered', 'away', 'away']);
    assert.deepEqual(second.came, ['m1', 'm2']);
    const all = sinkOf({}, away);
    await assert.rejects(deliverBatch(all.sink, batch, 1_000, running), SinkUnavailable);
    assert.deepEqual(all.came, []);
  });

  it('tells each message which attempt it is, as far as that is known', async () => {
    const attempts: number[] = [];
    const sink: Sink = {
      deliver: ({ attempt }) => {
        attempts.push(attempt);
        return Promise.resolve();
      },
    };
    await deliverBatch(sink, { messages: messages('a', 'a'), attempts: 3 }, 1_000, running);
    assert.deepEqual(attempts, [4, 1]);
  });

  it('is given up when the relay stops', async () => {
    const over = new AbortController();
    const { came, sink } = sinkOf({ m1: never });
    const delivering = deliverBatch(sink, { messages: messages('a', 'b'), attempts: 0 }, 60_000, over.signal);
    over.abort();
    assert.deepEqual(words(await delivering).length, 2);
    assert.deepEqual(came, ['m1']);
  });
});
