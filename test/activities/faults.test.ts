import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createFaults, parseFault } from '../../src/activities/faults.js';
import { openTestShop, operation, refused, stockUp, type TestShop } from './support.js';

const CHARGE = 'payments.charge.action';
const input = { orderId: 'o1', customerId: 'c1', amount: 2_933 };

describe('a fault in its compact form', () => {
  it('names a function and a kind, and perhaps attempts and transactions', () => {
    assert.deepEqual(parseFault(`${CHARGE}:refuse@order-cdnow-00003`), {
      function: CHARGE,
      kind: 'refuse',
      gid: 'order-cdnow-00003',
    });
    assert.deepEqual(parseFault('inventory.reserve.compensation:fail=2'), {
      function: 'inventory.reserve.compensation',
      kind: 'fail',
      attempts: 2,
    });
    assert.deepEqual(parseFault(`${CHARGE}:die-after-commit=3@order-*`), {
      function: CHARGE,
      kind: 'die-after-commit',
      attempts: 3,
      gid: 'order-*',
    });
  });

  for (const text of [
    '',
    'refuse',
    'payments.charge:refuse',
    `${CHARGE}:explode`,
    `${CHARGE}:fail=0`,
    `${CHARGE}:fail@`,
  ]) {
    it(`is refused in one line that says how to write it: '${text}'`, () => {
      assert.throws(
        () => parseFault(text),
        ({ message }: Error) => {
          assert.ok(message.startsWith(`the fault '${text}' cannot be read: `), message);
          assert.doesNotMatch(message, /\n/);
          return true;
        },
      );
    });
  }
});

describe('faults', () => {
  let test: TestShop;
  before(async () => (test = await openTestShop()));
  after(() => test.close());
  beforeEach(async () => {
    test.faults.clear();
    await test.empty();
    await stockUp(test);
  });

  const charge = (attempt = 1, gid = 'order-o1', call = {}) =>
    test.shop.participants.payments.charge.action(operation(CHARGE, gid, { attempt, ...call }), input);
  const wallet = async () => {
    const [row] = await test.sql<{ balance: number }>(
      'payments',
      `select balance::int as balance from wallets where customer_id = 'c1'`,
    );
    return row?.balance;
  };

  it('refuse: a definite no that is stored, for the transactions of the pattern only', async () => {
    test.faults.set(parseFault(`${CHARGE}:refuse@order-o*1`));
    await refused(charge(), 'Refused');
    test.faults.clear();
    await refused(charge(), 'Refused');
    assert.equal(await wallet(), 10_000);
    test.faults.set(parseFault(`${CHARGE}:refuse@order-o*2`));
    assert.deepEqual(await charge(1, 'order-o3'), { paymentId: 'payment-o1' });
  });

  it('a pattern is no regular expression', async () => {
    test.faults.set({ function: CHARGE, kind: 'refuse', gid: 'order.o1' });
    assert.deepEqual(await charge(), { paymentId: 'payment-o1' });
  });

  for (const kind of ['fail', 'fail-worked'] as const) {
    it(`${kind}: the first attempts fail and leave nothing, then it succeeds`, async () => {
      test.faults.set({ function: CHARGE, kind, attempts: 2 });
      for (const attempt of [1, 2]) {
        await assert.rejects(charge(attempt), { name: 'InjectedFault' });
        assert.equal(await wallet(), 10_000);
      }
      await charge(3);
      assert.equal(await wallet(), 7_067);
    });
  }

  it('hang: answers nothing until the caller gives up', async () => {
    test.faults.set({ function: CHARGE, kind: 'hang', gid: 'order-o1' });
    const caller = new AbortController();
    let answered = false;
    const hanging = charge(1, 'order-o1', { signal: caller.signal }).finally(() => (answered = true));
    await charge(1, 'order-o2');
    assert.equal(answered, false, 'another transaction is done, and this one still hangs');
    caller.abort(new Error('given up'));
    await assert.rejects(hanging, { name: 'AbortError' });
    assert.equal(await wallet(), 7_067, 'only the other transaction was paid');
  });

  it('hang: ends by itself when the attempt has had its time', async () => {
    test.faults.set({ function: CHARGE, kind: 'hang' });
    await assert.rejects(charge(1, 'order-o1', { timeoutMs: 20 }), /did not answer within 20 ms/);
  });

  it('die-after-commit: it happened, the reply is lost, and the next attempt hears the result', async () => {
    test.faults.set({ function: CHARGE, kind: 'die-after-commit' });
    await assert.rejects(charge(), /committed, its reply is lost/);
    assert.equal(await wallet(), 7_067);
    assert.deepEqual(await charge(2), { paymentId: 'payment-o1' });
    assert.equal(await wallet(), 7_067);
  });

  it('kill-after-commit: kills the process', async () => {
    const child = fork(fileURLToPath(new URL('killed.ts', import.meta.url)), { execArgv: ['--import', 'tsx'] });
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    assert.deepEqual({ code, signal }, { code: null, signal: 'SIGKILL' });
  });

  it('strike nothing when none is set, and each set of faults is its own', async () => {
    createFaults().set({ function: CHARGE, kind: 'refuse' });
    assert.deepEqual(await charge(), { paymentId: 'payment-o1' });
  });
});
