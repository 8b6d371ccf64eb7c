import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Message } from '../../../../src/kit/database/index.js';
import { Recorder } from '../../database/outbox/stage.js';
import { keyed, RelayStage } from './support.js';

describe('a relay that ends', () => {
  const stage = new RelayStage();

  it('ends when another takes its place', async () => {
    const [one, two] = [new Recorder(), new Recorder()];
    const first = stage.start(one, { pollMs: 10 });
    await stage.send({ topic: 'a', payload: 1 });
    await one.taken(1);
    await stage.empty('outbox');
    stage.start(two, { pollMs: 10 });
    assert.equal((await first.ended).end, 'replaced');
    await stage.send({ topic: 'a', payload: 2 });
    await two.taken(1);
    assert.deepEqual([one.payloads, two.payloads], [[1], [2]]);
  });

  it('delivers again, first, what was delivered by one that died before it had noted that', async () => {
    const sink = new Recorder();
    // Its process ends between the delivery and the removal.
    const dying = stage.through((text) =>
      text.includes('delete from backstitch.outbox where') ? new Promise(() => undefined) : Promise.resolve(),
    );
    await stage.send(...keyed('k', 1, 2));
    stage.start(sink, { deliverMs: 50 }, { database: dying });
    await sink.taken(2);
    await stage.send(...keyed('k', 3));
    const next = new Recorder();
    stage.start(next);
    await next.taken(3);
    assert.deepEqual(next.payloads, [1, 2, 3]);
    const ids = (got: Message[]) => got.map(({ id }) => id);
    assert.deepEqual(ids(next.got).slice(0, 2), ids(sink.got).slice(0, 2));
  });

  it('ends when its time is over though deliveries hang, or what is noted of them: the next delivers it', async () => {
    const hanging = new Recorder();
    hanging.onMessage = () => new Promise(() => undefined);
    await stage.send(...keyed('k', 1, 2), ...keyed('other', 3));
    const first = stage.start(hanging, { deliverMs: 40 }, { forMs: 10 });
    assert.equal((await first.ended).end, 'time');

    await stage.send({ topic: 'a', payload: 4 }, { topic: 'a', payload: 5 });
    const second = new Recorder();
    second.onMessage = ({ payload }) => (payload === 5 ? Promise.reject(new Error('not now')) : Promise.resolve());
    let notes = 0;
    const database = stage.through((text) => {
      if (!/delete from backstitch|begin/.test(text)) return Promise.resolve();
      notes++;
      return new Promise(() => undefined);
    });
    const { ended } = stage.start(second, { deliverMs: 40 }, { forMs: 10, database });
    assert.equal((await ended).end, 'time');
    assert.ok(second.payloads.includes(4));
    assert.ok(notes >= 2, 'what was delivered and what was not');

    const next = new Recorder();
    stage.start(next);
    await next.taken(5);
    assert.deepEqual(next.payloads.toSorted(), [1, 2, 3, 4, 5]);
  });

  it('goes on when its database was gone for a while', async () => {
    const sink = new Recorder();
    let isGone = false;
    const flaky = stage.through(() => (isGone ? Promise.reject(new Error('connection refused')) : Promise.resolve()));
    sink.onMessage = ({ payload }) => {
      if (payload === 1) isGone = true;
      return Promise.resolve();
    };
    await stage.send(...keyed('k', 0, 1, 2));
    stage.start(sink, { pollMs: 10 }, { database: flaky });
    await sink.until(() => isGone);
    await sleep(50);
    sink.onMessage = () => Promise.resolve();
    isGone = false;
    await sink.until(() => sink.payloads.includes(2));
    await stage.empty('outbox', 'outbox_parked', 'outbox_lanes');
  });
});
