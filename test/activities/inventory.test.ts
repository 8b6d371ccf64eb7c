import assert from 'node:assert/strict';
import { operation, refused, stockTestShop, type TestShop } from './support.js';

describe('inventory', () => {
  let test: TestShop;
  stockTestShop((opened) => (test = opened));

  const reserve = (orderId: string, units: number, sku = 'cd', gid = `order-${orderId}`) =>
    test.shop.participants.inventory.reserve.action(operation('inventory.reserve.action', gid), [orderId, sku, units]);
  const release = (orderId: string, units: number, sku = 'cd') =>
    test.shop.participants.inventory.reserve.compensation(
      operation('inventory.reserve.compensation', `order-${orderId}`),
      [orderId, sku, units],
      undefined,
    );
  const available = async (sku = 'cd') => {
    const rows = await test.sql<{ available: string }>('inventory', 'select available from stock where sku = $1', [
      sku,
    ]);
    return Number(rows[0]?.available);
  };

  it('reserves and releases, each once', async () => {
    assert.deepEqual(await reserve('o1', 30), { orderId: 'o1' });
    assert.deepEqual(await reserve('o1', 30), { orderId: 'o1' });
    assert.equal(await available(), 70);
    assert.deepEqual(await release('o1', 30), { released: 30 });
    assert.deepEqual(await release('o1', 30), { released: 30 });
    assert.equal(await available(), 100);
  });

  it('refuses more than is left, with the figures', async () => {
    await reserve('o1', 99);
    const message = await refused(reserve('o2', 2), 'OutOfStock');
    assert.equal(message, '1 cd are left, order o2 needs 2');
    assert.equal(await available(), 1);
    assert.equal(await release('o2', 2), undefined);
    assert.equal(await available(), 1);
  });

  it('refuses an unknown article, invalid input, and an order that has its stock', async () => {
    await refused(reserve('o1', 1, 'vinyl'), 'UnknownSku');
    assert.match(await refused(reserve('o2', 0), 'InvalidInput'), /units is 0/);
    await reserve('o3', 1);
    await refused(reserve('o3', 1, 'cd', 'another'), 'AlreadyReserved');
    assert.equal(await available(), 99);
    await reserve('o4', 99);
    await refused(reserve('o3', 1, 'cd', 'a third'), 'AlreadyReserved'); // Not for want of stock.
  });

  it('says what keeps stock from being released', async () => {
    await reserve('o1', 2);
    await test.sql('inventory', `update reservations set status = 'released', released_at = now()`);
    await assert.rejects(release('o1', 2), /stock of order o1 cannot be released: it is released/);
    assert.equal(await available(), 98);
  });

  it('sells a hot article to its last unit and never beyond: 100 at once for 60', async () => {
    await test.empty();
    await test.shop.plain['inventory.deliver']({ sku: 'cd', units: 60 });
    const outcomes = await Promise.allSettled(Array.from({ length: 100 }, (_, n) => reserve(`o${n}`, 1)));
    const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(failures.length, 40);
    for (const { reason } of failures) assert.equal((reason as { type?: string }).type, 'OutOfStock');
    assert.equal(await available(), 0);
    const [sums] = await test.sql<{ entered: number; orders: number }>(
      'inventory',
      'select sum(amount)::int as entered, count(order_id)::int as orders from stock_entries',
    );
    assert.deepEqual(sums, { entered: 0, orders: 60 });
  });

  it('reserves and releases side by side without a deadlock, and nothing is lost', async () => {
    await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        await reserve(`o${n}`, 2);
        await release(`o${n}`, 2);
      }),
    );
    assert.equal(await available(), 100);
  });
});
