import assert from 'node:assert/strict';
import { createShop } from '../../src/activities/index.js';
import { openTestShop, operation, stockUp, type TestShop } from './support.js';

describe('the masks of the shop', function () {
  this.timeout(60_000);
  let shop: TestShop;
  before(async () => {
    shop = await openTestShop();
    await stockUp(shop);
  });
  after(() => shop.close());

  it("hide what they name of a function's input in its service's guard, and nothing from the function", async () => {
    const { participants } = createShop({ databases: shop.databases, masks: { 'payments.charge': ['customerId'] } });
    const input = { orderId: 'o1', customerId: 'c1', amount: 5 };
    await participants.payments.charge.action(operation('payments.charge.action', 'order-o1'), input);
    const [row] = await shop.sql<{ input: unknown }>('payments', 'select input from backstitch.guard');
    assert.deepEqual(row?.input, { orderId: 'o1', customerId: '***', amount: 5 });
  });
});
