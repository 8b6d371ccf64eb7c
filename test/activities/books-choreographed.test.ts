import assert from 'node:assert/strict';
import { orderCalls } from '../../src/activities/callers/index.js';
import { createShop } from '../../src/activities/index.js';
import { choreographedOrderSchema } from '../../src/contracts/events.js';
import { describePath } from '../../src/client/path-words.js';
import { Poison, type Message } from '../../src/kit/database/index.js';
import { linesOf, operation, orderOf, stockTestShop, type TestShop } from './support.js';

describe('choreographed orders, and their books', () => {
  let test: TestShop;
  stockTestShop((opened) => (test = opened));
  const prove = () => test.shop.plain['books.prove']();
  const open = (orderId: string, more: object = {}) => {
    const order = choreographedOrderSchema.parse({ ...orderOf(orderId), ...more });
    return test.shop.participants.orders.open.action(operation('orders.open.action', `order-${orderId}`), order);
  };
  /** Delivers the events that a service has told, and what it tells itself, to those who hear them. */
  const deliver = async (name: 'orders' | 'inventory' | 'payments' | 'shipping', orderId: string) => {
    const found = test.shop.outboxes.find(({ outbox }) => outbox.name === name);
    assert.ok(found);
    type Row = Pick<Message, 'id' | 'topic' | 'key' | 'payload'> & { stream: string; seq: string };
    const rows = await test.sql<Row>(
      name,
      'delete from backstitch.outbox where key = $1 returning stream, seq, id, topic, key, payload',
      [orderId],
    );
    for (const { stream, seq, ...row } of rows) {
      const [, subscriber = ''] = stream.split('/');
      const message = { ...row, seq: Number(seq), source: name, addedAt: 0, attempt: 1 };
      await found.sinks[subscriber]?.deliver(message, new AbortController().signal);
    }
  };

  it('balance after each event: what is under way waits, until it is placed; then it has earned points', async () => {
    await open('1');
    const seen: [waiting: number, units: number, points: number][] = [];
    const look = async () => {
      const books = await prove();
      assert.deepEqual(linesOf(books), []);
      const { waiting, waitingUnits, waitingPoints, open } = books.figures;
      assert.equal(open, 0);
      seen.push([waiting, waitingUnits, waitingPoints]);
      return books.figures;
    };
    await look();
    for (const name of ['orders', 'inventory', 'payments', 'shipping'] as const) {
      await deliver(name, '1');
      await look();
    }
    assert.deepEqual(seen, [
      [1, 0, 29],
      [1, 2, 29],
      [1, 2, 29],
      [1, 2, 29],
      [0, 0, 0],
    ]);
    const soon = await look();
    assert.deepEqual([soon.untold, soon.unearned], [1, 1]);
    // What is not there after a day does not come by itself.
    await test.sql('orders', `update orders set ended_at = now() - interval '25 hours' where order_id = '1'`);
    assert.deepEqual(linesOf(await prove()), [
      'a choreographed order has earned its points | order 1 | 29 | none',
      'a placed order has its notification | order 1 | to customer c1 | none',
    ]);
    await deliver('orders', '1');
    const { placed, pointsEarned, pointsHeld, pointsSpent, untold, unearned } = await look();
    assert.deepEqual([placed, pointsEarned, pointsHeld, pointsSpent, untold, unearned], [1, 29, 2_000, 29, 0, 0]);
  });

  it('name what of an order under way is not its own, and points that nothing has earned', async () => {
    await open('2');
    await deliver('orders', '2');
    await test.damage('inventory', `update reservations set units = 3 where order_id = '2'`);
    await test.sql(
      'orders',
      `insert into point_entries (customer_id, kind, amount, order_id) values ('c1', 'earned', 5, '2')`,
    );
    await test.sql(
      'notifications',
      `insert into notifications (order_id, kind, customer_id) values ('2', 'order-placed', 'c1')`,
    );
    assert.deepEqual(linesOf(await prove()), [
      'an order that is under way has its own notification, or none yet | order 2 | none | to customer c1',
      'an order that is under way has its own reservation, or none yet | order 2 | 2 cd reserved | 3 cd reserved',
      'points are earned by the rule | order 2 | 0 | 5',
      'stock + frozen + units of placed orders = delivered | inventory | 100 | 101',
      'stock entries agree with the reservation | order 2 | -3 | -2',
    ]);
  });

  it('wait for a payment that is asked for, and take no money for it', async () => {
    await open('3', { payLater: true });
    await deliver('orders', '3');
    await deliver('inventory', '3');
    const { figures, differences } = await prove();
    assert.deepEqual(differences, []);
    assert.deepEqual([figures.waiting, figures.capturedCents, figures.walletsCents], [1, 0, 20_000]);
  });

  it('tell an order from what the state table was asked for by the same id; what that has, no other gives back', async () => {
    const ask = (orderId: string) =>
      createShop({
        databases: test.databases,
        probe: test.faults.probe,
        stateLimits: { retries: 0, rounds: 1, attemptMs: 5_000 },
      }).callers.run(`order-${orderId}`, orderCalls({ ...orderOf(orderId), sequence: 'pay-first' }));
    await open('4');
    await deliver('orders', '4');
    assert.equal((await ask('4')).answer, 'refused');
    assert.deepEqual(linesOf(await prove()), []);
    // The other way about: its stock is there first.
    test.faults.set({ function: 'orders.create.action', kind: 'fail' });
    assert.equal((await ask('5')).answer, 'pending');
    test.faults.clear();
    await open('5');
    await deliver('orders', '5');
    await deliver('inventory', '5');
    await assert.rejects(deliver('orders', '5'), /says: another transaction has the stock$/);
    const text = `select status from reservations where order_id = '5'`;
    assert.deepEqual(await test.sql('inventory', text), [{ status: 'reserved' }]);
  });

  it('balance while the state table has stock under the id of one that was cancelled; what it leaves there is a difference', async () => {
    await open('8', { units: 1_000 });
    for (const name of ['orders', 'inventory', 'orders'] as const) await deliver(name, '8');
    test.faults.set({ function: 'orders.create.action', kind: 'fail' });
    const { callers } = createShop({
      databases: test.databases,
      probe: test.faults.probe,
      stateLimits: { retries: 0, rounds: 1, attemptMs: 5_000 },
    });
    assert.equal(
      (await callers.run('order-8', orderCalls({ ...orderOf('8'), sequence: 'stock-first' }))).answer,
      'pending',
    );
    const books = await prove();
    assert.deepEqual(linesOf(books), []);
    assert.deepEqual([books.figures.cancelled, books.figures.waitingUnits], [1, 2]);
    test.faults.clear();
    await test.sql('callers', `update backstitch.state_table set state = 'left', ended_at = now(), due_at = null`);
    assert.deepEqual(linesOf(await prove()), [
      'a cancelled order has no stock that was not released | order 8 | none | 2 cd reserved',
      'stock + frozen + units of placed orders = delivered | inventory | 100 | 98',
    ]);
  });

  it('go on where another release tells more: it is told on, and what nobody knows here is no part of the path', async () => {
    await open('6', { payLater: true });
    await test.sql(
      'orders',
      `update backstitch.outbox set payload = jsonb_set(payload::jsonb, '{order,gift}', 'true')::json where key = '6'`,
    );
    for (const name of ['orders', 'inventory', 'payments'] as const) await deliver(name, '6');
    assert.equal((await test.shop.plain['payments.pay']({ orderId: '6' })).outcome, 'paid');
    const text = `select distinct payload::jsonb #> '{order,gift}' as gift from backstitch.outbox where key = '6'`;
    assert.deepEqual(await test.sql('payments', text), [{ gift: true }]);
    await deliver('payments', '6');
    const heard = `select distinct event::jsonb #> '{order,gift}' as gift from order_events where order_id = '6'`;
    assert.deepEqual(await test.sql('orders', heard), [{ gift: true }]);
    await test.sql(
      'orders',
      `insert into order_events (order_id, event_id, topic, event) values ('6', 'order-6/gift.wrapped', 'gift.wrapped', '{}')`,
    );
    // As another release tells it: it is noted, shown, and no dead letter.
    const projection = test.shop.outboxes.find(({ outbox }) => outbox.name === 'orders')?.sinks.projection;
    const ribbon = {
      id: 'order-6/ribbon.tied',
      topic: 'ribbon.tied',
      key: '6',
      source: 'orders',
      payload: { colour: 'red' },
    };
    const signal = new AbortController().signal;
    await projection?.deliver({ ...ribbon, seq: 99, addedAt: 0, attempt: 1 }, signal);
    const looked = await test.shop.plain['orders.look']({ orderId: '6' });
    const unknown = looked.unknown?.map(({ topic }) => topic).sort();
    assert.deepEqual(unknown, ['gift.wrapped', 'ribbon.tied']);
    assert.match(
      describePath('6', looked),
      /\n {2}\? {2}ribbon\.tied: another release has told that, which is not known here/,
    );
    const inventory = test.shop.outboxes.find(({ outbox }) => outbox.name === 'orders')?.sinks.inventory;
    assert.ok(projection && inventory);
    await assert.rejects(inventory.deliver({ ...ribbon, seq: 99, addedAt: 0, attempt: 1 }, signal), Poison);
    // A service whose database is slow is named; what the others say is known.
    const { path, unread } = await test.databases.inventory.transaction(async (sql) => {
      await sql('lock table backstitch.outbox_lanes in access exclusive mode');
      return test.shop.plain['orders.look']({ orderId: '6' });
    });
    assert.deepEqual([path?.path.length, path?.waitsFor?.who], [4, 'shipping']);
    assert.deepEqual(unread, ['inventory: its database has not answered within 3 s']);
  });
});
