import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Recorder } from '../../database/outbox/stage.js';
import { assertOrdered, BatchRecorder, keyed, RelayStage } from './support.js';

class QueueRecorder extends Recorder {
  readonly isQueue = true;
}

describe('a relay', () => {
  const stage = new RelayStage();

  it('delivers what waits and what comes, removes it, and keeps it among the delivered', async () => {
    const sink = new Recorder();
    await stage.send({ topic: 'a', payload: 1 });
    stage.start(sink);
    await sink.taken(1);
    await stage.send({ topic: 'a', payload: 2 });
    await sink.taken(2);
    await stage.empty('outbox');
    assert.deepEqual(sink.payloads, [1, 2]);
    assert.equal(await stage.count('outbox_delivered'), 2);
  });

  it('is woken by what is added: it needs no look of its own', async () => {
    const sink = new Recorder();
    stage.start(sink, { pollMs: 3_600_000 });
    await sleep(0);
    for (let n = 0; n < 20; n++) {
      await stage.send({ topic: 'a', payload: n });
      await sink.taken(n + 1);
    }
  });

  it('finds what was added without a wake-up by its own looks, and works with a client that cannot listen', async () => {
    const sink = new Recorder();
    stage.start(sink, { pollMs: 20 }, { database: stage.through(() => Promise.resolve()) });
    await stage.send({ topic: 'a', payload: 1 });
    await sink.taken(1);
  });

  for (const many of [false, true]) {
    const sinkOf = () => (many ? new BatchRecorder() : new Recorder());
    const how = many ? 'a sink that takes many' : 'a sink that takes one by one';

    it(`delivers 3,000 messages of 40 keys in the order of each key, by ${how}`, async () => {
      const sink = sinkOf();
      sink.onMessage = async ({ seq }) => {
        if (seq % 7 === 0) await sleep(1);
      };
      stage.start(sink, { batch: 50 });
      for (let n = 0; n < 3_000; n += 100) {
        await stage.db.transaction((sql) =>
          stage.outbox.addAll(
            sql,
            Array.from({ length: 100 }, (_, k) => ({ topic: 'a', key: `k${(n + k) % 40}`, payload: n + k })),
          ),
        );
      }
      await sink.taken(3_000);
      assertOrdered(sink.got);
      assert.equal(new Set(sink.payloads).size, 3_000);
    });

    it(`holds up only the key of what cannot be delivered, and goes on with it in order when it can, by ${how}`, async () => {
      const sink = sinkOf();
      let isBroken = true;
      sink.onMessage = ({ payload }) =>
        payload === 'bad' && isBroken ? Promise.reject(new Error('not now')) : Promise.resolve();
      await stage.send(...keyed('k', 'k1', 'bad', 'k2', 'k3'), ...keyed('other', 'o1', 'o2'), {
        topic: 'a',
        payload: 'none',
      });
      const { relay } = stage.start(sink);
      await sink.taken(4);
      await stage.send(...keyed('k', 'k4'), ...keyed('other', 'o3'));
      await sink.taken(5);
      assert.deepEqual(
        sink.payloads.filter((each) => String(each).startsWith('k')),
        ['k1'],
      );
      isBroken = false;
      await sink.taken(9);
      assert.deepEqual(
        sink.payloads.filter((each) => !String(each).startsWith('o') && each !== 'none'),
        ['k1', 'bad', 'k2', 'k3', 'k4'],
      );
      await stage.empty('outbox', 'outbox_parked', 'outbox_lanes');
      assert.ok(relay.stats.failed >= 1);
      assert.equal(await stage.count('outbox_delivered'), 9);
    });
  }

  it('is not held up by a slow key: it looks behind what waits for that', async () => {
    const sink = new Recorder();
    let release: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    sink.onMessage = ({ key }) => (key === 'slow' ? slow : Promise.resolve());
    await stage.db.transaction((sql) =>
      stage.outbox.addAll(sql, keyed('slow', ...Array.from({ length: 200 }, (_, n) => n))),
    );
    await stage.send(...keyed('quick', 'q1', 'q2'));
    stage.start(sink, { batch: 10, deliverMs: 3_600_000 });
    await sink.taken(2);
    assert.deepEqual(sink.payloads, ['q1', 'q2']);
    release();
    await sink.taken(202);
    assertOrdered(sink.got);
    assert.equal(new Set(sink.payloads).size, 202);
    await stage.empty('outbox', 'outbox_parked', 'outbox_lanes');
  });

  it('delivers what is due later when it is due, though it was stopped meanwhile, outside the order of its key', async () => {
    const sink = new Recorder();
    await stage.send(
      { topic: 'a', key: 'k', payload: 'later', deliverAfter: Date.now() + 3_600_000 },
      ...keyed('k', 'now'),
    );
    const first = stage.start(sink);
    await sink.taken(1);
    await first.stop();
    await stage.makeDue();
    stage.start(sink, { pollMs: 20 });
    await sink.taken(2);
    assert.deepEqual(sink.payloads, ['now', 'later']);
  });

  it('tells each message what was delivered before it, if the sink is a queue', async () => {
    const sink = new QueueRecorder();
    await stage.send(...keyed('k', 1, 2), { topic: 'a', payload: 'none' });
    const first = stage.start(sink);
    await sink.taken(3);
    await stage.empty('outbox');
    await first.stop();
    await stage.send(...keyed('k', 3));
    stage.start(sink);
    await sink.taken(4);
    const [one, two, three] = sink.got.filter(({ key }) => key === 'k');
    assert.deepEqual([one?.after, two?.after, three?.after], [undefined, one?.seq, two?.seq]);
    assert.equal(sink.got.find(({ payload }) => payload === 'none')?.after, undefined);
  });
});
