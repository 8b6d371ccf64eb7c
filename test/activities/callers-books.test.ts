import assert from 'node:assert/strict';
import { orderCalls, transferCalls } from '../../src/activities/callers/index.js';
import { createShop } from '../../src/activities/index.js';
import { linesOf, orderOf, stockTestShop, type TestShop } from './support.js';

describe('the books of what callers ask for by the state table', () => {
  let test: TestShop;
  stockTestShop(
    (opened) => (test = opened),
    async () => {
      await test.shop.plain['banks.openAccounts']({ bank: 'bank_a', accounts: ['alice'], cents: 1_000 });
      await test.shop.plain['banks.openAccounts']({ bank: 'bank_b', accounts: ['bob'], cents: 1_000 });
    },
  );
  afterEach(() => {
    test.faults.clear();
  });
  const prove = () => test.shop.plain['books.prove']();
  /** The callers of this shop, who do not wait. */
  const callers = () =>
    createShop({
      databases: test.databases,
      probe: test.faults.probe,
      stateLimits: { retries: 0, rounds: 1, attemptMs: 5_000 },
    }).callers;
  const calls = transferCalls({
    from: [{ bank: 'bank_a', account: 'alice', amount: 300 }],
    to: [{ bank: 'bank_b', account: 'bob', amount: 300 }],
  });
  const ordered = (orderId: string) => orderCalls({ ...orderOf(orderId), sequence: 'pay-first' });

  it('a transfer is in flight from its debit to its credit, with a person too', async () => {
    for (const [kind, answer] of [
      ['fail', 'pending'],
      ['refuse', 'error'],
    ] as const) {
      test.faults.clear();
      test.faults.set({ function: 'bank_b.credit.action', kind });
      assert.equal((await callers().run(`transfer-${kind}`, calls)).answer, answer);
    }
    const books = await prove();
    assert.deepEqual(linesOf(books), []);
    assert.deepEqual([books.figures.bankInFlightCents, books.figures.bankClearingCents], [600, 600]);
    test.faults.clear();
    assert.equal((await callers().run('transfer-fail', calls)).answer, 'success');
    assert.equal((await prove()).figures.bankInFlightCents, 300);
    // What has ended is no excuse.
    await test.sql(
      'callers',
      `update backstitch.state_table set state = 'left', ended_at = now(), due_at = null where state = 'error'`,
    );
    assert.deepEqual(linesOf(await prove()), ['what left a bank came to another | banks | 0 | 300']);
  });

  it('an order waits for its payment, from the deduction of its stock on', async () => {
    test.faults.set({ function: 'orders.create.action', kind: 'fail' });
    assert.equal((await callers().run('order-1', ordered('1'))).answer, 'pending');
    const half = await prove();
    assert.deepEqual(linesOf(half), []);
    const { waiting, waitingUnits, open, stockUnits } = half.figures;
    assert.deepEqual([waiting, waitingUnits, open, stockUnits], [0, 2, 0, 98]);
    test.faults.clear();
    assert.equal((await callers().run('order-1', ordered('1'))).answer, 'success');
    const books = await prove();
    assert.deepEqual(linesOf(books), []);
    const { figures } = books;
    assert.deepEqual(
      [figures.orders, figures.waiting, figures.waitingUnits, figures.waitingPoints, figures.open],
      [1, 1, 2, 29, 0],
    );
  });

  it('what does not agree with what was asked for is a difference', async () => {
    await callers().run('order-1', ordered('1'));
    await callers().run('order-2', ordered('2'));
    assert.deepEqual(linesOf(await prove()), []);
    // A success of which nothing is there, and an order whose stock is not.
    await test.damage(
      'orders',
      `delete from orders where order_id = '1'; delete from point_entries where order_id = '1';
      update customers set points = 1000 - 29 where customer_id = 'c1'`,
    );
    await test.damage('inventory', `update reservations set units = 1 where order_id = '2'`);
    assert.deepEqual(linesOf(await prove()), [
      'an order that waits for its payment has its stock | order 2 | 2 cd reserved | 1 cd reserved',
      'stock + frozen + units of placed orders = delivered | inventory | 100 | 99',
      'stock entries agree with the reservation | order 2 | -1 | -2',
      'what was asked for and done is there | order 1 | created | none',
    ]);
    // Half done and left by a person: nobody waits for it.
    await test.sql('callers', `update backstitch.state_table set state = 'left' where gid = 'order-1'`);
    const left = linesOf(await prove());
    assert.ok(left.includes('a reservation belongs to an order | order 1 | none | 2 cd reserved'), left.join('\n'));
  });
});
