import assert from 'node:assert/strict';
import { createPrepared, migrate, type Op, type Sql } from '../../../../src/kit/database/index.js';
import { outboxMigrations } from '../../../../src/kit/database/outbox/schema.js';
import { streamStore } from '../../../../src/kit/database/outbox/stream.js';
import { add, newGid, op, Stage } from '../support/stage.js';
import { outboxOf } from './stage.js';

describe('two databases and one queue, in one two-phase commit', () => {
  const [orders, payments] = [new Stage(), new Stage()];
  const outbox = outboxOf();
  before(() => migrate(orders.db, 'outbox', outboxMigrations));

  /** Of one server a branch is prepared once, whatever its database. */
  const ask = (gid: string, name: Op, branch: 'order' | 'pay') => op(gid, name, { scheme: '2pc', branch });
  const queued = async () => {
    const messages = await streamStore(orders.db, outbox, { name: 'shop/all/0' }).poll(10);
    return messages.map(({ payload }) => payload);
  };
  const begun = async () => {
    const gid = newGid();
    const [order, payment] = [orders, payments].map(({ db }) => createPrepared({ database: db }));
    assert.ok(order && payment);
    const work = async (sql: Sql) => {
      await add(gid, 1)(sql);
      await outbox.add(sql, { topic: 'sold', key: 'k', payload: gid });
    };
    assert.equal(await order.prepare(ask(gid, 'prepare', 'order'), {}, work), 'yes');
    assert.equal(await payment.prepare(ask(gid, 'prepare', 'pay'), {}, add(gid, 1)), 'yes');
    const effects = async () => [await orders.net(gid), await payments.net(gid), await queued()];
    return {
      gid,
      effects,
      end: async (name: 'commit' | 'rollback', branch: 'order' | 'pay') => {
        await (branch === 'order' ? order : payment)[name](ask(gid, name, branch), {});
      },
    };
  };

  it('nobody sees the message before its database has committed, and then once; the order of the commits does not matter', async () => {
    const { gid, end, effects } = await begun();
    assert.deepEqual(await effects(), [0, 0, []]);
    await end('commit', 'pay');
    assert.deepEqual(await effects(), [0, 1, []]);
    for (let time = 0; time < 2; time++) await end('commit', 'order');
    assert.deepEqual(await effects(), [1, 1, [gid]]);
    const [sold] = await streamStore(orders.db, outbox, { name: 'shop/all/0' }).poll(1);
    assert.ok(sold);
    await streamStore(orders.db, outbox, { name: 'shop/all/0' }).delivered([sold.seq]);
  });

  it('of what is rolled back there never was a message, and its key is free', async () => {
    const { end, effects } = await begun();
    for (const branch of ['order', 'pay'] as const) await end('rollback', branch);
    assert.deepEqual(await effects(), [0, 0, []]);
    await orders.db.transaction((sql) => outbox.add(sql, { topic: 'sold', key: 'k', payload: 'next' }));
    assert.deepEqual(await queued(), ['next']);
  });
});
