import assert from 'node:assert/strict';
import { OrderByHand } from './by-hand.js';
import { linesOf, operation, orderOf, refused, stockTestShop, type TestShop } from './support.js';

/** The rows of orders that live for weeks, and what their moves do; what belongs to a move elsewhere is done by hand here. */
describe('orders with a lifecycle', () => {
  let test: TestShop;
  let order: OrderByHand;
  stockTestShop(
    (opened) => (test = opened),
    async () => {
      order = new OrderByHand(test.shop, { ...orderOf('1'), coupon: 'welcome-c1' });
      await test.shop.plain['coupons.open']({ customerIds: ['c1'], cents: 433 });
    },
  );

  const parts = () => test.shop.participants;
  const differences = async () => linesOf(await test.shop.plain['books.prove']());
  const figures = async () => (await test.shop.plain['books.prove']()).figures;
  const points = async () => {
    const text = `select points from customers where customer_id = 'c1'`;
    return Number((await test.sql<{ points: string }>('orders', text))[0]?.points);
  };

  it('are opened once created; the books agree with every state, to the end', async () => {
    assert.deepEqual(await order.open(), { orderId: '1', toPay: 2_500, discount: 433, pointsSpent: 29 });
    const price = await parts().orders.price.action(order.of('orders.price.action'), { orderId: '1' });
    assert.deepEqual(price, { toPay: 2_500 });
    assert.deepEqual(await differences(), []);
    await order.pay(2_500);
    assert.deepEqual(await differences(), []);
    await order.pack();
    assert.deepEqual([await differences(), (await figures()).waiting], [[], 1]);
    await order.ship();
    await order.move('deliver', 'DELIVERED', 'DELIVERED.ARRIVED');
    assert.deepEqual([await differences(), await points()], [[], 971]);
    const { result } = await order.move('complete', 'DELIVERED.ARRIVED', 'COMPLETED');
    assert.deepEqual([result, await points()], [{ pointsEarned: 25 }, 996]);
    assert.deepEqual(await differences(), []);
    const { placed, waiting, capturedCents, placedUnits, pointsEarned } = await figures();
    assert.deepEqual([placed, waiting, capturedCents, placedUnits, pointsEarned], [1, 0, 2_500, 2, 25]);
    const read = await parts().orders.read.action(order.of('orders.read.action'), { id: 'order-1', moves: 100 });
    const { state, data, moves } = read ?? {};
    assert.deepEqual([state, data, moves?.length], ['COMPLETED', order.order, 9]);
    assert.equal(await parts().orders.read.action(order.of('orders.read.action'), { id: 'order-nobody' }), null);
  });

  it('that come to nothing give everything back, and the books say so where they do not', async () => {
    await order.open();
    const cancelled = await order.move('cancel', 'WAIT_PAY', 'CANCELLED');
    assert.deepEqual([cancelled.result, await points()], [{ pointsReturned: 29 }, 1_000]);
    assert.deepEqual(await differences(), [
      'an order that is CANCELLED has its coupon | order 1 | none | HELD welcome-c1',
      'an order that is CANCELLED has its stock | order 1 | released, 2 cd | reserved, 2 cd',
    ]);
    await parts().inventory.release.action(order.of('inventory.release.action'), ['1', 'cd']);
    await parts().coupons.release.action(order.of('coupons.release.action'), { code: 'welcome-c1', orderId: '1' });
    assert.deepEqual([await differences(), (await figures()).cancelled], [[], 1]);
  });

  it('that were paid and are refunded give the coupon back too; each damage is found by its name', async () => {
    await order.open();
    await order.pay(2_500);
    await order.pack();
    await order.move('refund', 'WAIT_DELIVER', 'REFUNDING');
    assert.deepEqual(await differences(), []);
    await order.giveBack();
    await order.move('refunded', 'REFUNDING', 'REFUNDED');
    assert.deepEqual([await differences(), await points()], [[], 1_000]);
    const { returned, refundedCents, stockUnits } = await figures();
    assert.deepEqual([returned, refundedCents, stockUnits], [1, 2_500, 100]);
    await test.damage('coupons', `update coupons set status = 'USED', order_id = '1', held_at = now()`);
    assert.match((await differences()).join(), /an order that is REFUNDED has its coupon \| order 1 \| none \| USED/);
    await test.damage('coupons', `update coupons set status = 'HELD', order_id = 'nobody'`);
    assert.deepEqual(await differences(), [
      'a coupon that is held or used belongs to an order that lives | order nobody | none | welcome-c1',
    ]);
  });

  it('move once for a request, from where they are and not from elsewhere, and never from a final state', async () => {
    await order.open();
    const race = await Promise.allSettled([
      order.move('pay', 'WAIT_PAY', 'PAID', { version: 0 }),
      order.move('cancel', 'WAIT_PAY', 'CANCELLED', { version: 0 }),
    ]);
    assert.equal(race.filter(({ status }) => status === 'fulfilled').length, 1);
    await refused(order.move('pay', 'WAIT_PAY', 'PAID', { version: 0, requestId: 'other' }), 'MovedElsewhere');
    await refused(order.move('pay', 'WAIT_PAY', 'PAID', { id: 'order-2', version: 0 }), 'NoSuchRow');
    // Each part of where it has to be counts by itself: the state, the sub-state, and how often it has moved, as a state may come again.
    await test.damage('orders', `update orders set status = 'PAID', sub_state = 'PICKING', version = 3`);
    const elsewhere = [
      { from: 'WAIT_DELIVER', version: 3 },
      { from: 'PAID', version: 3 },
      { from: 'PAID.WAIT_PICK', version: 3 },
      { from: 'PAID.PICKING', version: 2 },
      { from: 'PAID.PICKING', version: 4 },
    ];
    for (const [place, { from, version }] of elsewhere.entries()) {
      const asked = order.move('picked', from, 'PAID.WAIT_PACK', { version, requestId: `picked-${place}` });
      await refused(asked, 'MovedElsewhere');
    }
    await order.move('picked', 'PAID.PICKING', 'PAID.WAIT_PACK', { version: 3 });
    for (const status of ['COMPLETED', 'CANCELLED', 'REFUNDED']) {
      await test.damage(
        'orders',
        `update orders set status = '${status}', sub_state = null, ended_at = now() where order_id = '1'`,
      );
      const back = [`status = 'WAIT_PAY', ended_at = null`, `sub_state = 'PICKING'`, `status = 'placed'`];
      for (const set of back)
        await assert.rejects(test.sql('orders', `update orders set ${set} where order_id = '1'`), set);
    }
    await assert.rejects(test.sql('orders', 'delete from order_moves'), /append-only/);
    // An order of another scheme is none of these.
    await parts().orders.create.action(operation('orders.create.action', 'order-3'), orderOf('3'));
    const read = await parts().orders.read.action(order.of('orders.read.action'), { id: 'order-3' });
    assert.equal(read, null, 'created, and not opened: its machine has to wait for that');
    await parts().orders.complete.action(operation('orders.complete.action', 'order-3'), { orderId: '3' });
    const other = `update orders set status = 'DELIVERED', ended_at = null where order_id = '3'`;
    await assert.rejects(test.sql('orders', other));
    const opening = operation('orders.openLifecycle.action', 'order-3');
    await refused(
      parts().orders.openLifecycle.action(opening, { orderId: '3', amountOff: 0, at: 0 }),
      'OrderNotCreated',
    );
  });

  it('tell the warehouse in the transaction of their moves; its job follows, and tells of its own steps', async () => {
    await order.open();
    await order.pay(2_500);
    const outbox = test.shop.outboxes.find(({ outbox: { name } }) => name === 'orders');
    const told = async (service: 'orders' | 'warehouse', subscriber: string) => {
      type Row = { id: string; topic: string; key: string; payload: object; seq: string };
      const text = 'select * from backstitch.outbox where stream like $1 order by seq';
      return (await test.sql<Row>(service, text, [`%${subscriber}%`])).map((row) => ({
        ...{ ...row, seq: Number(row.seq), source: service, addedAt: 0, attempt: 1 },
      }));
    };
    const deliver = async () => {
      const signal = new AbortController().signal;
      for (const message of await told('orders', 'warehouse')) await outbox?.sinks.warehouse?.deliver(message, signal);
    };
    const job = async () => (await test.sql<{ state: string }>('warehouse', 'select state from pick_jobs'))[0]?.state;
    const work = (step: 'pick' | 'picked' | 'pack' | 'packed') =>
      test.shop.plain['warehouse.work']({ orderId: '1', step });
    const steps = async () => (await told('warehouse', 'orders')).map(({ topic, payload }) => [topic, payload]);
    await refused(work('pick'), 'NoSuchJob');
    await deliver();
    await deliver();
    assert.equal(await job(), 'WAIT_PICK');
    // Nothing was heard of the warehouse: it is told again, has no second job, and answers again.
    const run = { id: 'order-1', why: 'unreceived', state: 'PAID', version: 1, round: 1, data: {} };
    await parts().orders.tellAgain.action(operation('orders.tellAgain.action', 'order-1.unreceived'), run);
    await deliver();
    const received = ['job.received', { orderId: '1', step: 'received' }];
    assert.deepEqual(await steps(), [received, received]);
    // A step here is told; a move of the order is followed, and goes no way back.
    assert.equal(await work('pick'), 'PICKING');
    assert.equal(await work('pick'), 'PICKING');
    await refused(work('packed'), 'StepRefused');
    const picked = ['job.pick', { orderId: '1', step: 'pick' }];
    assert.deepEqual((await steps()).slice(2), [picked]);
    // The order could not take that, as it had not heard of the first answer: told again it hears of both.
    await parts().orders.tellAgain.action(operation('orders.tellAgain.action', 'order-1.unreceived.2'), {
      ...{ ...run, round: 2 },
    });
    await deliver();
    assert.deepEqual((await steps()).slice(3), [received, picked]);
    await order.pack();
    await deliver();
    assert.deepEqual([await job(), (await steps()).length], ['PACKED', 5]);
    await test.sql('warehouse', 'truncate backstitch.inbox');
    await deliver();
    assert.equal(await job(), 'PACKED');
    await order.move('cancel', 'WAIT_DELIVER', 'CANCELLED');
    await order.giveBack();
    await deliver();
    assert.deepEqual([await job(), await differences()], ['STOPPED', []]);
  });
});
