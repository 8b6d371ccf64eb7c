import assert from 'node:assert/strict';
import { callersWorld } from './state-table-callers.js';

describe('the command line of the state table: orders', function () {
  this.timeout(240_000);
  const { at, newId, call, place, booksNow, becomes } = callersWorld();

  it('deducts the stock and creates the order, which waits for its payment; the saga goes on from there', async () => {
    const order = { orderId: newId(), customerId: 'c1', units: 2, amount: 1_000 };
    const before = await booksNow();
    const created = await place(order);
    assert.deepEqual([created.code, created.stderr], [0, []]);
    assert.equal(
      created.stdout,
      `order ${order.orderId} was created: 2 cd deducted, 10 points spent; it waits for its payment\n`,
    );
    const waiting = await booksNow();
    assert.deepEqual(
      [waiting.waiting, waiting.waitingUnits, waiting.waitingPoints, waiting.open],
      [before.waiting + 1, before.waitingUnits + 2, before.waitingPoints + 10, 0],
    );
    const paid = await at.world.run('order', 'place', '--order', JSON.stringify(order));
    assert.equal(paid.code, 0, paid.stderr.join('\n'));
    const after = await booksNow();
    assert.deepEqual([after.waiting, after.placed], [before.waiting, before.placed + 1]);
    assert.equal(after.stockUnits, before.stockUnits - 2);
  });

  it('a payment that is refused later gives the stock back, in whichever sequence it is asked for', async () => {
    const order = { orderId: newId(), customerId: 'c1', units: 2, amount: 1_000_000 };
    const before = await booksNow();
    assert.equal((await place(order)).code, 0);
    const undone = await at.world.run('order', 'place', '--order', JSON.stringify(order));
    assert.equal(undone.code, 1, undone.stderr.join('\n'));
    assert.match(undone.stderr.join('\n'), /pay: InsufficientFunds/);
    const { stockUnits, waiting, waitingUnits, cancelled } = await booksNow();
    assert.deepEqual(
      [stockUnits, waiting, waitingUnits, cancelled],
      [before.stockUnits, before.waiting, before.waitingUnits, before.cancelled + 1],
    );
  });

  it('an order that is half done is accounted for, until it is created', async () => {
    const order = { orderId: newId(), customerId: 'c1', units: 3, amount: 100 };
    const before = await booksNow();
    const pending = await place(order, { BACKSTITCH_FAULTS: 'orders.create.action:hang' }, '--wait', '1s');
    assert.equal(pending.code, 3);
    const half = await booksNow();
    assert.deepEqual([half.waiting, half.waitingUnits], [before.waiting, before.waitingUnits + 3]);
    await becomes(`order-${order.orderId}`, 'success');
    const shown = await at.world.run('order', 'show', order.orderId);
    assert.equal(shown.code, 0, shown.stderr.join('\n'));
    assert.match(shown.stdout, /^order \S+: was created, and waits for its payment\n/);
    assert.equal((await booksNow()).waiting, before.waiting + 1);
  });

  it('an order is refused when the stock is short, or its customer is not there', async () => {
    const order = { orderId: newId(), customerId: 'c1', units: 1_000, amount: 100 };
    const short = await place(order);
    assert.equal(short.code, 1);
    assert.match(short.stderr[0] ?? '', /reserve-stock: OutOfStock/);
    const nobody = await place({ ...order, orderId: newId(), customerId: 'nobody' });
    assert.deepEqual(
      [nobody.code, nobody.stderr],
      [2, ['customerId: "nobody": the shop has no such customer: nothing was started']],
    );
    const file = await call(['order', 'place', '--file', await at.world.ordersFile([{}])]);
    assert.deepEqual([file.code, file.stdout], [2, '']);
    const early = await place(order, {}, '--stock-first');
    assert.match(early.stderr[0] ?? '', /sequence: .*is for the scheme saga/);
  });
});
