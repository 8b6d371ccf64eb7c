import assert from 'node:assert/strict';
import { NotYet, Poison, SinkUnavailable } from '../../../../src/kit/database/index.js';
import { until } from '../../../support/until.js';
import { Recorder } from '../../database/outbox/stage.js';
import { assertOrdered, keyed, RelayStage } from './support.js';

describe('a relay, of what cannot be delivered,', () => {
  const stage = new RelayStage();

  it('tells a message which attempt it is, and gives a failing one pauses that grow', async () => {
    const sink = new Recorder();
    const attempts: number[] = [];
    sink.onMessage = ({ attempt }) => {
      attempts.push(attempt);
      return attempt < 4 ? Promise.reject(new Error('no')) : Promise.resolve();
    };
    await stage.send({ topic: 'a', payload: 1 });
    stage.start(sink);
    await sink.taken(1);
    assert.deepEqual(attempts, [1, 2, 3, 4]);
  });

  it('makes a dead letter of what was tried for its window: its key waits for a person, others go on', async () => {
    const sink = new Recorder();
    sink.onMessage = ({ payload }) => (payload === 'bad' ? Promise.reject(new Error('never')) : Promise.resolve());
    await stage.send(...keyed('k', 'bad', 'k2'), ...keyed('other', 'o1'));
    const { troubles } = stage.start(sink, { windowMs: 40 });
    await until(async () => (await stage.dead()).letters[0]?.behind === 1);
    const { letters, total } = await stage.dead();
    assert.equal(total, 1);
    const [letter] = letters;
    assert.ok(letter);
    assert.deepEqual([letter.payload, letter.key, letter.error, letter.behind], ['bad', 'k', 'never', 1]);
    assert.deepEqual(
      troubles.map(({ kind, message, error }) => [kind, message?.key, error]),
      [['dead-letter', 'k', 'never']],
    );
    await stage.send(...keyed('other', 'o2'));
    await sink.taken(2);
    assert.deepEqual(sink.payloads, ['o1', 'o2']);
  });

  it('makes a dead letter of poison at once', async () => {
    const sink = new Recorder();
    sink.onMessage = ({ payload }) =>
      payload === 'bad' ? Promise.reject(new Poison('nobody understands it')) : Promise.resolve();
    await stage.send({ topic: 'a', payload: 'bad' }, { topic: 'a', payload: 'good' });
    const { relay } = stage.start(sink);
    await sink.taken(1);
    await until(() => relay.stats.dead !== 0);
    assert.equal((await stage.dead()).letters[0]?.error, 'nobody understands it');
  });

  it('tries for ever what says that it can be delivered later, and tells of it once when the window is over', async () => {
    const sink = new Recorder();
    let tries = 0;
    let isThere = false;
    sink.onMessage = () => {
      tries++;
      return isThere ? Promise.resolve() : Promise.reject(new NotYet('out of stock'));
    };
    await stage.send(...keyed('k', 1));
    const { troubles, relay } = stage.start(sink, { windowMs: 30, pollMs: 20 });
    await until(() => tries >= 8 && troubles.length > 0);
    const told = tries;
    await until(() => tries >= told + 8);
    assert.deepEqual([relay.stats.dead, (await stage.dead()).total], [0, 0]);
    assert.deepEqual(
      troubles.map(({ kind }) => kind),
      ['late'],
    );
    isThere = true;
    await sink.taken(1);
  });

  it('tells again what could not be told, until it could: of a dead letter, of one that is late, of a sink; and then not again', async () => {
    const sink = new Recorder();
    let isThere = true;
    sink.onMessage = ({ payload }) => {
      if (!isThere) return Promise.reject(new SinkUnavailable('away'));
      return Promise.reject(payload === 'bad' ? new Poison('nobody understands it') : new NotYet('out of stock'));
    };
    const rules = { windowMs: 20, pollMs: 20 };
    await stage.send(...keyed('k', 'bad'), ...keyed('l', 'late'));
    const deaf = stage.start(sink, rules, { onTrouble: () => Promise.reject(new Error('the alarms are away')) });
    const kindsOf = ({ troubles }: typeof deaf) => troubles.map(({ kind }) => kind).toSorted();
    const times = (kind: string) => kindsOf(deaf).filter((each) => each === kind).length;
    await until(() => times('dead-letter') >= 3 && times('late') >= 3);
    isThere = false;
    await until(() => times('unavailable') >= 3);
    const { unavailable } = await deaf.stop();
    assert.equal(unavailable?.told, false);

    isThere = true;
    const first = stage.start(sink, rules);
    await until(() => first.troubles.length === 2);
    await until(async () => !(await stage.store(stage.outbox).tend()).isUntold);
    await first.stop();
    assert.deepEqual(kindsOf(first), ['dead-letter', 'late']);
    const ids = ({ troubles }: typeof deaf) => troubles.map(({ kind, at, message }) => `${kind} ${message?.seq} ${at}`);
    assert.ok(
      ids(first).every((id) => ids(deaf).includes(id)),
      'it is the same alarm',
    );

    let tries = 0;
    sink.onMessage = () => {
      tries++;
      return Promise.reject(new NotYet('out of stock'));
    };
    const second = stage.start(sink, rules);
    await until(() => tries >= 5);
    assert.deepEqual(kindsOf(second), []);
  });

  it('leaves alone a sink that takes nothing: no message is to blame, however long it takes', async () => {
    const sink = new Recorder();
    let isThere = false;
    let tries = 0;
    sink.onMessage = () => {
      tries++;
      return isThere ? Promise.resolve() : Promise.reject(new SinkUnavailable('no broker answers'));
    };
    await stage.send(...Array.from({ length: 30 }, (_, n) => ({ topic: 'a', key: `k${n % 3}`, payload: n })));
    const { relay, troubles } = stage.start(sink, { windowMs: 30 });
    await until(() => tries >= 60 && troubles.length > 0);
    assert.deepEqual([relay.stats.failed, relay.stats.dead, await stage.count('outbox_parked')], [0, 0, 0]);
    assert.equal(relay.stats.unavailable?.error, 'no broker answers');
    assert.deepEqual(
      troubles.map(({ kind }) => kind),
      ['unavailable'],
    );
    isThere = true;
    await sink.taken(30);
    assertOrdered(sink.got);
    assert.equal(relay.stats.unavailable, undefined);
  });

  it('knows by any answer about a message that the sink is there again, and not by its silence', async () => {
    const sink = new Recorder();
    let answer = (): Promise<void> => Promise.reject(new SinkUnavailable('away'));
    sink.onMessage = () => answer();
    await stage.send({ topic: 'a', key: 'k', payload: 1 });
    const { relay } = stage.start(sink, { deliverMs: 20 });
    await until(() => relay.stats.unavailable !== undefined);
    answer = () => new Promise(() => undefined);
    await until(() => relay.stats.failed >= 2);
    assert.equal(relay.stats.unavailable?.error, 'away');
    answer = () => Promise.reject(new NotYet('out of stock'));
    await until(() => relay.stats.unavailable === undefined);
  });

  it('is held up for one pause by a sink that takes nothing for a moment, however many were on their way', async () => {
    const sink = new Recorder();
    let isThere = false;
    sink.onMessage = () => (isThere ? Promise.resolve() : Promise.reject(new SinkUnavailable('away')));
    await stage.db.transaction((sql) =>
      stage.outbox.addAll(
        sql,
        Array.from({ length: 50 }, (_, n) => ({ topic: 'a', payload: n })),
      ),
    );
    const { relay } = stage.start(sink, { backoffMs: 20, mostBackoffMs: 3_600_000 });
    await until(() => relay.stats.unavailable !== undefined);
    isThere = true;
    await sink.taken(50);
  });

  it('is not starved by keys whose deliveries hang: others have their places', async () => {
    const sink = new Recorder();
    sink.onMessage = ({ key }) =>
      key?.startsWith('hangs') === true ? new Promise(() => undefined) : Promise.resolve();
    await stage.send(...Array.from({ length: 12 }, (_, n) => ({ topic: 'a', key: `hangs-${n}`, payload: n })));
    const { relay } = stage.start(sink, { single: 4, deliverMs: 50 });
    await until(() => relay.stats.failed >= 12);
    for (let n = 0; n < 20; n++) {
      await stage.send({ topic: 'a', key: 'well', payload: n });
      await sink.taken(n + 1);
    }
  });

  it('looks no more often than it should while keys that hang have all the places that they may have', async () => {
    const looks = { tend: 0, front: 0 };
    const database = stage.through((text) => {
      if (text.includes('"isUntold"')) looks.tend++;
      if (text.includes('"isRead"')) looks.front++;
      return Promise.resolve();
    });
    const sink = new Recorder();
    let hanging = 0;
    sink.onMessage = ({ attempt }) => {
      if (attempt === 1) return Promise.reject(new Error('not now'));
      hanging++;
      return new Promise(() => undefined);
    };
    await stage.send(...Array.from({ length: 3 }, (_, n) => ({ topic: 'a', key: `hangs-${n}`, payload: n })));
    // They may have half of four places.
    stage.start(sink, { single: 4, deliverMs: 3_600_000, pollMs: 50 }, { database });
    await until(() => hanging === 2);
    const before = { ...looks };
    await until(() => looks.tend >= before.tend + 6);
    const fronts = looks.front - before.front;
    assert.ok(fronts <= 3 * 6, `${fronts} looks at the front where 6 would do`);
  });

  it('gives up a delivery that takes too long, and tries it again', async () => {
    const sink = new Recorder();
    let tries = 0;
    sink.onMessage = () => (++tries === 1 ? new Promise(() => undefined) : Promise.resolve());
    await stage.send(...keyed('k', 1, 2));
    stage.start(sink, { deliverMs: 30 });
    await sink.taken(2);
    assert.deepEqual(sink.payloads, [1, 2]);
  });
});
