import assert from 'node:assert/strict';
import type { Message, Sql } from '../../../../src/kit/database/index.js';
import { outboxOf, OutboxStage, Recorder } from '../../database/outbox/stage.js';

/**
 * The three orders in which a message and the work that it tells of go wrong without an outbox (docs/outbox.md), and the same deaths
 * with one. A process that dies is an error that nobody catches.
 */
describe('a message and its work', () => {
  const stage = new OutboxStage();
  before(() => stage.pool.query('create table sales (id text primary key)'));
  beforeEach(() => stage.pool.query('truncate sales'));
  class Died extends Error {}
  const died = () => Promise.reject(new Died());
  const sell = (sql: Sql) => sql("insert into sales values ('sale-1')", []);
  const isSold = async () => (await stage.pool.query('select from sales')).rowCount === 1;
  const told = {
    id: 'm',
    topic: 'sold',
    payload: 'sale-1',
    source: 'x',
    seq: 1,
    addedAt: 0,
    attempt: 1,
  } satisfies Message;
  const never = new AbortController().signal;

  it('sent inside the SQL transaction: it tells of a sale that never happened, when the commit fails', async () => {
    const sink = new Recorder();
    const work = stage.db.transaction(async (sql) => {
      await sell(sql);
      await sink.deliver(told, never);
      await died();
    });
    await assert.rejects(work, Died);
    assert.deepEqual([await isSold(), sink.payloads], [false, ['sale-1']]);
  });

  it('sent after the commit: the sale is never told of, when the process dies in between', async () => {
    const sink = new Recorder();
    const work = async () => {
      await stage.db.transaction(sell);
      await died();
      await sink.deliver(told, never);
    };
    await assert.rejects(work(), Died);
    assert.deepEqual([await isSold(), sink.payloads], [true, []]);
  });

  it('sent before the work: it tells of a sale that never happened, when the work fails', async () => {
    const sink = new Recorder();
    const work = async () => {
      await sink.deliver(told, never);
      await stage.db.transaction(died);
    };
    await assert.rejects(work(), Died);
    assert.deepEqual([await isSold(), sink.payloads], [false, ['sale-1']]);
  });

  it('added to the outbox: it is there if the sale is, and not if the sale is not, wherever the process dies', async () => {
    const outbox = outboxOf();
    const store = stage.store(outbox);
    const work = (dies: boolean) =>
      stage.db.transaction(async (sql) => {
        await sell(sql);
        await outbox.add(sql, { topic: 'sold', payload: 'sale-1' });
        if (dies) await died();
      });
    await assert.rejects(work(true), Died);
    assert.deepEqual([await isSold(), await store.poll(10)], [false, []]);
    await work(false);
    const payloads = (await store.poll(10)).map(({ payload }) => payload);
    assert.deepEqual([await isSold(), payloads], [true, ['sale-1']]);
  });
});
