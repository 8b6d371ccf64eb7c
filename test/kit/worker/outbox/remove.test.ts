import assert from 'node:assert/strict';
import { outboxOf, Recorder } from '../../database/outbox/stage.js';
import { until } from '../../../support/until.js';
import { RelayStage } from './support.js';

describe('a message that was added to be delivered later', () => {
  const stage = new RelayStage();
  const HOUR = 3_600_000;
  const later = (id: string, ms: number) => ({ topic: 'a', key: 'k', id, payload: id, deliverAfter: Date.now() + ms });
  const remove = (id: string, of = stage.outbox) => stage.db.transaction((sql) => of.remove(sql, id));

  it('can be taken back by its id, from all its subscribers, while it is not due', async () => {
    const both = outboxOf({ subscribers: { all: '*', mail: '*' } });
    await stage.add(both, later('m-1', HOUR), later('m-2', HOUR));
    await stage.add(outboxOf({ name: 'shop-2' }), later('m-1', HOUR));
    await assert.rejects(
      stage.db.transaction(async (sql) => {
        assert.equal(await both.remove(sql, 'm-1'), true);
        throw new Error('rolled back');
      }),
      /rolled back/,
    );
    assert.deepEqual(
      [await remove('m-1', both), await remove('m-1', both), await remove('nothing', both)],
      [true, false, false],
    );
    assert.deepEqual([await stage.count('outbox_lanes'), await stage.count('outbox_parked')], [3, 3]);
    await stage.send({ topic: 'a', id: 'm-3', payload: 1 });
    assert.equal(await remove('m-3'), false);
    assert.equal(await stage.count('outbox'), 1);
  });

  it('is not delivered while somebody takes it back, though it becomes due meanwhile; and never, when that is committed', async () => {
    const sink = new Recorder();
    let looks = 0;
    let isDue = false;
    const database = stage.through((text) => {
      if (isDue && text.includes('due_at <= now()')) looks++;
      return Promise.resolve();
    });
    await stage.send(later('m-1', 2_000), later('m-2', 2_000));
    await stage.db.transaction(async (sql) => {
      assert.equal(await stage.outbox.remove(sql, 'm-1'), true);
      stage.start(sink, { pollMs: 10 }, { database });
      await sink.taken(1);
      isDue = true;
      await until(() => looks >= 3);
    });
    await stage.empty('outbox_lanes', 'outbox_parked');
    assert.deepEqual(sink.payloads, ['m-2']);
  });

  it('cannot be taken back any more when it is on its way, or has failed', async () => {
    const sink = new Recorder();
    let release: () => void = () => undefined;
    let tries = 0;
    sink.onMessage = async () => {
      if (++tries > 1) return;
      await new Promise<void>((resolve) => (release = resolve));
      throw new Error('not now');
    };
    await stage.send(later('m-1', 0));
    const { relay } = stage.start(sink, { backoffMs: 500, mostBackoffMs: 500 });
    await until(() => tries === 1);
    assert.equal(await remove('m-1'), false);
    release();
    await until(() => relay.stats.failed === 1);
    assert.equal(await remove('m-1'), false);
    await sink.taken(1);
  });

  it('is either taken back or delivered, whoever is first', async () => {
    const sink = new Recorder();
    stage.start(sink, { pollMs: 5 });
    const ids = Array.from({ length: 150 }, (_, n) => `m-${n}`);
    await stage.db.transaction((sql) =>
      stage.outbox.addAll(
        sql,
        ids.map((id, n) => later(id, n * 3)),
      ),
    );
    const removed: string[] = [];
    // Against the time: it meets what is just due.
    for (const id of [...ids].reverse()) if (await remove(id)) removed.push(id);
    await stage.empty('outbox_lanes', 'outbox_parked');
    assert.deepEqual([...sink.payloads, ...removed].toSorted(), ids.toSorted());
  });
});
