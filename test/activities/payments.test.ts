import assert from 'node:assert/strict';
import { openTestShop, operation, refused, stockUp, type TestShop } from './support.js';

describe('payments', () => {
  let test: TestShop;
  before(async () => (test = await openTestShop()));
  after(() => test.close());
  beforeEach(async () => {
    await test.empty();
    await stockUp(test);
  });

  const input = (orderId: string, amount: number, customerId = 'c1') => ({ orderId, customerId, amount });
  const charge = (orderId: string, amount: number, customerId = 'c1', gid = `order-${orderId}`) =>
    test.shop.participants.payments.charge.action(
      operation('payments.charge.action', gid),
      input(orderId, amount, customerId),
    );
  const refund = (orderId: string, amount: number, customerId = 'c1') =>
    test.shop.participants.payments.charge.compensation(
      operation('payments.charge.compensation', `order-${orderId}`),
      input(orderId, amount, customerId),
    );
  const walletOf = async (customerId: string) => {
    const rows = await test.sql<{ balance: string }>('payments', 'select balance from wallets where customer_id = $1', [
      customerId,
    ]);
    return Number(rows[0]?.balance);
  };
  const statusOf = async (orderId: string) => {
    const rows = await test.sql<{ status: string }>('payments', 'select status from payments where order_id = $1', [
      orderId,
    ]);
    return rows[0]?.status;
  };

  it('charges a wallet once, however often it is asked', async () => {
    assert.deepEqual(await charge('o1', 2_933), { paymentId: 'payment-o1' });
    assert.deepEqual(await charge('o1', 2_933), { paymentId: 'payment-o1' });
    assert.equal(await walletOf('c1'), 7_067);
    assert.equal(await statusOf('o1'), 'captured');
  });

  it('charges 0, and all that is in a wallet', async () => {
    assert.deepEqual(await charge('o1', 0), { paymentId: 'payment-o1' });
    assert.deepEqual(await charge('o2', 10_000), { paymentId: 'payment-o2' });
    assert.equal(await walletOf('c1'), 0);
    assert.deepEqual(await charge('o3', 0), { paymentId: 'payment-o3' });
    assert.deepEqual(await refund('o1', 0), { refunded: 0 });
  });

  it('refuses more than is in the wallet, with the figures, and changes nothing', async () => {
    const message = await refused(charge('o1', 10_001), 'InsufficientFunds');
    assert.equal(message, 'customer c1 has 100.00, order o1 costs 100.01');
    assert.equal(await walletOf('c1'), 10_000);
    assert.equal(await statusOf('o1'), undefined);
    assert.equal(await refund('o1', 10_001), undefined);
  });

  it('refuses a customer without a wallet', async () => {
    await refused(charge('o1', 0, 'nobody'), 'UnknownCustomer');
  });

  it('refuses to be paid twice for one order', async () => {
    await charge('o1', 100);
    await refused(charge('o1', 100, 'c1', 'another'), 'AlreadyPaid');
    assert.equal(await walletOf('c1'), 9_900);
    await charge('o2', 9_900);
    await refused(charge('o1', 100, 'c1', 'a third'), 'AlreadyPaid'); // Not for want of money.
  });

  it('refuses invalid input', async () => {
    assert.match(await refused(charge('o1', 1.5), 'InvalidInput'), /amount is 1\.5/);
  });

  it('refunds a payment once', async () => {
    await charge('o1', 2_933);
    assert.deepEqual(await refund('o1', 2_933), { refunded: 2_933 });
    assert.deepEqual(await refund('o1', 2_933), { refunded: 2_933 });
    // Nobody is told that it was paid.
    assert.match(await refused(charge('o1', 2_933, 'c1', 'another'), 'PaymentGivenBack'), /order o1 was given back/);
    assert.equal(await walletOf('c1'), 10_000);
    assert.equal(await statusOf('o1'), 'refunded');
  });

  it('says what keeps a payment from being refunded', async () => {
    await charge('o1', 2_933);
    await test.sql('payments', `update payments set status = 'refunded', refunded_at = now()`);
    await assert.rejects(refund('o1', 2_933), /payment of order o1 cannot be refunded: it is refunded/);
    assert.equal(await walletOf('c1'), 7_067);
  });

  it('never lets a wallet be spent twice under concurrency', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 40 }, (_, n) => charge(`o${n}`, 400)));
    const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(outcomes.length - failures.length, 25);
    for (const { reason } of failures) assert.equal((reason as { type?: string }).type, 'InsufficientFunds');
    assert.equal(await walletOf('c1'), 0);
  });
});
