import assert from 'node:assert/strict';
import { advance, openTestShop, orderOf, refused, stockUp, type TestShop } from './support.js';

describe('opening the shop', () => {
  let test: TestShop;
  before(async () => (test = await openTestShop()));
  after(() => test.close());
  beforeEach(() => test.empty());

  const all = async () => [
    ...(await test.sql('orders', 'select customer_id, points from customers order by 1')),
    ...(await test.sql('payments', 'select customer_id, balance from wallets order by 1')),
    ...(await test.sql('inventory', 'select sku, available from stock order by 1')),
  ];

  it('changes nothing when it is done again, after sales too', async () => {
    await stockUp(test);
    await advance(test, orderOf('o1'));
    const before = await all();
    await stockUp(test);
    assert.deepEqual(await all(), before);
  });

  it('adds the customers that are missing', async () => {
    await stockUp(test, ['c1']);
    await stockUp(test, ['c1', 'c2', 'c2', 'c3']);
    const rows = await test.sql<{ points: string }>('orders', 'select points from customers');
    assert.deepEqual(
      rows.map(({ points }) => Number(points)),
      [1_000, 1_000, 1_000],
    );
  });

  it('gives each customer the first points and money once, however many open the shop at once', async () => {
    const customerIds = Array.from({ length: 300 }, (_, n) => `c${n}`);
    await Promise.all(
      [customerIds, [...customerIds].reverse(), customerIds, [...customerIds].reverse()].map((ids) =>
        stockUp(test, ids),
      ),
    );
    const [points] = await test.sql('orders', 'select sum(points)::int as sum from customers');
    const [cents] = await test.sql('payments', 'select sum(balance)::int as sum from wallets');
    const [units] = await test.sql('inventory', 'select sum(available)::int as sum from stock');
    assert.deepEqual([points, cents, units], [{ sum: 300_000 }, { sum: 3_000_000 }, { sum: 100 }]);
  });

  it('opens with nothing: no points, no money, no stock', async () => {
    await test.shop.plain['orders.openCustomers']({ customerIds: ['c1'], points: 0 });
    await test.shop.plain['payments.openWallets']({ customerIds: ['c1'], cents: 0 });
    await test.shop.plain['inventory.deliver']({ sku: 'cd', units: 0 });
    assert.deepEqual(await all(), [
      { customer_id: 'c1', points: '0' },
      { customer_id: 'c1', balance: '0' },
      { sku: 'cd', available: '0' },
    ]);
  });

  it('delivers up to a total, never less than before', async () => {
    const deliver = (units: number) => test.shop.plain['inventory.deliver']({ sku: 'cd', units });
    const available = async () => {
      const [row] = await test.sql<{ available: string }>('inventory', 'select available from stock');
      return Number(row?.available);
    };
    await deliver(60);
    await stockUp(test);
    assert.equal(await available(), 100);
    await advance(test, orderOf('o1'));
    await deliver(40);
    assert.equal(await available(), 98);
    await Promise.all([deliver(150), deliver(130), deliver(150)]);
    assert.equal(await available(), 148);
  });

  it('refuses invalid input', async () => {
    const customerIds = Array.from({ length: 1_001 }, (_, n) => `c${n}`);
    await refused(test.shop.plain['orders.openCustomers']({ customerIds, points: 0 }), 'InvalidInput');
    await refused(test.shop.plain['payments.openWallets']({ customerIds: [''], cents: 0 }), 'InvalidInput');
    assert.match(
      await refused(test.shop.plain['inventory.deliver']({ sku: 'cd', units: -1 }), 'InvalidInput'),
      /units/,
    );
  });
});
