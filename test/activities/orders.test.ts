import assert from 'node:assert/strict';
import type { CreateOrder } from '../../src/contracts/services.js';
import { operation, orderOf, refused, stockTestShop, type TestShop } from './support.js';

describe('orders', () => {
  let test: TestShop;
  stockTestShop((opened) => (test = opened));

  const create = (order: CreateOrder, gid = `order-${order.orderId}`) =>
    test.shop.participants.orders.create.action(operation('orders.create.action', gid), order);
  const cancel = (order: CreateOrder, gid = `order-${order.orderId}`) =>
    test.shop.participants.orders.create.compensation(operation('orders.create.compensation', gid), order);
  const complete = (orderId: string) =>
    test.shop.participants.orders.complete.action(operation('orders.complete.action', `order-${orderId}`), { orderId });
  const pointsOf = async (customerId: string) => {
    const rows = await test.sql<{ points: string }>('orders', 'select points from customers where customer_id = $1', [
      customerId,
    ]);
    return Number(rows[0]?.points);
  };
  const statusOf = async (orderId: string) => {
    const rows = await test.sql<{ status: string }>('orders', 'select status from orders where order_id = $1', [
      orderId,
    ]);
    return rows[0]?.status;
  };

  it('creates an order and takes a point for each whole unit of money', async () => {
    assert.deepEqual(await create(orderOf('o1')), { orderId: 'o1', pointsSpent: 29 });
    assert.equal(await statusOf('o1'), 'created');
    assert.equal(await pointsOf('c1'), 971);
  });

  it('takes no more points than the customer has, and none for a gift', async () => {
    assert.equal((await create(orderOf('o1', { amount: 250_000 }))).pointsSpent, 1_000);
    assert.equal(await pointsOf('c1'), 0);
    assert.equal((await create(orderOf('o2'))).pointsSpent, 0);
    assert.equal((await create(orderOf('o3', { customerId: 'c2', amount: 0 }))).pointsSpent, 0);
    assert.equal(await pointsOf('c2'), 1_000);
  });

  it('refuses an unknown customer', async () => {
    const message = await refused(create(orderOf('o1', { customerId: 'nobody' })), 'UnknownCustomer');
    assert.match(message, /nobody.*o1/);
    assert.equal(await statusOf('o1'), undefined);
    assert.equal(await cancel(orderOf('o1', { customerId: 'nobody' })), undefined);
  });

  it('refuses an order id of another transaction, and takes no points for it', async () => {
    await create(orderOf('o1'));
    await refused(create(orderOf('o1'), 'another'), 'DuplicateOrder');
    assert.equal(await pointsOf('c1'), 971);
  });

  it('refuses invalid input for good, in one line that names field, value and rule', async () => {
    const bad = orderOf('o1', { units: 0, amount: -5 });
    const message = await refused(create(bad), 'InvalidInput');
    assert.match(message, /units is 0: must be a whole number from 1 .*amount is -5: must be a whole number from 0 /);
    await refused(create(bad), 'InvalidInput');
    const stored = await test.sql('orders', `select 1 from backstitch.guard where outcome = 'rejected'`);
    assert.equal(stored.length, 1);
    assert.equal(await cancel(bad), undefined, 'its undo finds that nothing happened');
    assert.equal(await pointsOf('c1'), 1_000);
  });

  it('names a missing and an unexpected field', async () => {
    const order = { ...orderOf('o1'), units: undefined, coupon: 'x' };
    const message = await refused(create(order as unknown as CreateOrder), 'InvalidInput');
    assert.match(message, /units is missing/);
    assert.match(message, /coupon/);
  });

  it('cancels a created order and gives its points back, once', async () => {
    await create(orderOf('o1'));
    assert.deepEqual(await cancel(orderOf('o1')), { pointsReturned: 29 });
    assert.deepEqual(await cancel(orderOf('o1')), { pointsReturned: 29 });
    assert.equal(await statusOf('o1'), 'cancelled');
    assert.equal(await pointsOf('c1'), 1_000);
  });

  it('cancels an order that spent no points', async () => {
    await create(orderOf('o1', { amount: 0 }));
    assert.deepEqual(await cancel(orderOf('o1', { amount: 0 })), { pointsReturned: 0 });
    assert.equal(await statusOf('o1'), 'cancelled');
  });

  it('completes a created order, and never one that was cancelled', async () => {
    await create(orderOf('o1'));
    assert.deepEqual(await complete('o1'), { orderId: 'o1' });
    assert.equal(await statusOf('o1'), 'placed');

    await create(orderOf('o2'));
    await cancel(orderOf('o2'));
    assert.match(await refused(complete('o2'), 'OrderNotCreated'), /o2.*cancelled/);
    assert.equal(await statusOf('o2'), 'cancelled');
    assert.match(await refused(complete('o3'), 'OrderNotCreated'), /o3.*unknown/);
  });

  it('does not cancel an order that was placed: it says so, and nothing changes', async () => {
    await create(orderOf('o1'));
    await complete('o1');
    await assert.rejects(cancel(orderOf('o1')), /order o1 cannot be cancelled: it is placed/);
    assert.equal(await statusOf('o1'), 'placed');
    assert.equal(await pointsOf('c1'), 971);
  });

  it('spends each point once under concurrency', async () => {
    const orders = Array.from({ length: 50 }, (_, n) => orderOf(`o${n}`, { amount: 3_000 }));
    const spent = await Promise.all(orders.map(async (order) => (await create(order)).pointsSpent));
    assert.equal(
      spent.reduce((sum, points) => sum + points, 0),
      1_000,
      '50 orders ask for 1,500 points of 1,000',
    );
    assert.equal(await pointsOf('c1'), 0);
    await Promise.all(orders.map((order) => cancel(order)));
    assert.equal(await pointsOf('c1'), 1_000);
  });

  it('creates and cancels orders of few customers side by side without a deadlock', async () => {
    const orders = Array.from({ length: 60 }, (_, n) => orderOf(`o${n}`, { customerId: n % 2 ? 'c1' : 'c2' }));
    await Promise.all(
      orders.map(async (order) => {
        await create(order);
        await cancel(order);
      }),
    );
    assert.deepEqual([await pointsOf('c1'), await pointsOf('c2')], [1_000, 1_000]);
  });
});
