import assert from 'node:assert/strict';
import { keepDelivered } from '../../../../src/kit/database/outbox/archive.js';
import { outboxOf, OutboxStage } from './stage.js';

describe('what was delivered', () => {
  const stage = new OutboxStage();
  const outbox = outboxOf();
  const tables = async () => {
    const { rows } = await stage.pool.query<{ day: string }>(
      "select right(relname, 8) as day from pg_class where relname ~ '^outbox_delivered_[0-9]{8}$' order by 1",
    );
    return rows.map(({ day }) => day);
  };
  const dayOf = async (days: number) => {
    const { rows } = await stage.pool.query<{ day: string }>(
      "select to_char((clock_timestamp() at time zone 'utc')::date + $1::integer, 'YYYYMMDD') as day",
      [days],
    );
    return rows[0]?.day ?? '';
  };
  const dropAll = async () => {
    for (const day of await tables()) await stage.pool.query(`drop table backstitch.outbox_delivered_${day}`);
  };
  beforeEach(dropAll);

  it('is kept in a table for each day: today and two days ahead are made, however many make them at once', async () => {
    await Promise.all(Array.from({ length: 5 }, () => keepDelivered(stage.db, 7)));
    assert.deepEqual(await tables(), [await dayOf(0), await dayOf(1), await dayOf(2)]);
  });

  it('is dropped with its day when that is older than it is kept; nothing is made where nothing is kept', async () => {
    await keepDelivered(stage.db, 7);
    for (const days of [-7, -8, -20]) {
      const [from, to] = [await dayOf(days), await dayOf(days + 1)];
      await stage.pool.query(
        `create table backstitch.outbox_delivered_${from} partition of backstitch.outbox_delivered
         for values from ('${from} 00:00:00+00') to ('${to} 00:00:00+00')`,
      );
    }
    assert.deepEqual(await keepDelivered(stage.db, 7), [await dayOf(-20), await dayOf(-8)]);
    assert.equal((await tables()).length, 4);
    await dropAll();
    await keepDelivered(stage.db, 0);
    assert.deepEqual(await tables(), []);
  });

  it('has its day made where it is missing: a delivery is noted nevertheless, of the front and of a lane', async () => {
    const store = stage.store(outbox);
    await stage.add(outbox, { topic: 'a', payload: 1 }, { topic: 'a', payload: 2 });
    const [one, two] = await store.poll(10);
    assert.ok(one && two);
    await store.delivered([one.seq]);
    assert.equal(await stage.count('outbox_delivered'), 1);
    await dropAll();
    await store.parkFailed(two.seq, { error: 'no', againInMs: 0, isLate: false }, []);
    const [lane] = await store.due([], 1, 1);
    assert.ok(lane);
    await store.drained(lane, [two.seq]);
    const left = [
      await stage.count('outbox_delivered'),
      await stage.count('outbox_parked'),
      await stage.count('outbox_lanes'),
    ];
    assert.deepEqual(left, [1, 0, 0]);
  });

  it('leaves nothing without a lane: what was held up behind one that another has removed is due', async () => {
    const store = stage.store(outbox);
    await stage.add(outbox, { topic: 'a', key: 'k', payload: 1 }, { topic: 'a', key: 'k', payload: 2 });
    const [one, two] = await store.poll(10);
    assert.ok(one && two);
    await store.delivered([one.seq]);
    await store.parkFailed(one.seq, { error: 'no', againInMs: 3_600_000, isLate: false }, [two.seq]);
    const [lane] = await store.due([], 1, 10);
    assert.deepEqual([lane?.attempts, lane?.messages.map(({ payload }) => payload)], [0, [2]]);
  });

  it('is not looked for among another outbox of the same database', async () => {
    const other = outboxOf({ name: 'other' });
    await stage.add(outbox, { topic: 'a', payload: 'shop' });
    await stage.add(other, { topic: 'a', payload: 'other' });
    const payloads = async (of: typeof outbox, stream: string) =>
      (await stage.store(of, stream).poll(10)).map(({ payload }) => payload);
    assert.deepEqual(await payloads(outbox, 'shop/all/0'), ['shop']);
    assert.deepEqual(await payloads(other, 'other/all/0'), ['other']);
  });
});
