import assert from 'node:assert/strict';
import { Latencies } from '../../src/client/latency.js';
import { placeOrders, type OrderOutcome } from '../../src/client/place-orders.js';
import { describePlacing } from '../../src/client/words.js';
import type { PlacedOrder, PlaceOrder, PlaceOrderInput } from '../../src/contracts/place-order.js';
import {
  ServerUnavailable,
  TransactionCompensated,
  TransactionPending,
  type Transaction,
} from '../../src/kit/client/index.js';

/** A transaction in the caller's process: `placeOrders` is about its loop, not about what it calls. */
function transaction(place: (order: PlaceOrderInput) => Promise<unknown>): Transaction<PlaceOrderInput, PlacedOrder> {
  const call = async (order: PlaceOrderInput) => (await place(order)) as PlacedOrder;
  const start = (order: PlaceOrderInput) =>
    Promise.resolve({
      gid: order.orderId,
      runId: 'run',
      duplicate: order.customerId === 'known',
      result: () => call(order),
    });
  return Object.assign(call, { start });
}

function* orders(count: number): Generator<PlaceOrder> {
  for (let n = 0; n < count; n++) {
    yield { orderId: `o-${n}`, customerId: 'c', sku: 'cd', units: 1, amount: 1, sequence: 'pay-first' };
  }
}

const undone = (gid: string, type: string) =>
  new TransactionCompensated(type, {
    gid,
    scheme: 'saga',
    state: 'compensated',
    cause: { step: 'pay', type, message: '' },
    undone: [],
    notUndone: [],
  });

describe('placeOrders', () => {
  it('has never more orders under way than it may, and counts every outcome and reason', async () => {
    let running = 0;
    let most = 0;
    const outcomes: OrderOutcome[] = [];
    const placeOrder = transaction(async ({ orderId }) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      if (orderId.endsWith('3')) throw undone(orderId, 'InsufficientFunds');
      if (orderId.endsWith('5')) throw undone(orderId, 'OutOfStock');
    });
    const onOutcome = (outcome: OrderOutcome) => outcomes.push(outcome);
    const report = await placeOrders(orders(100), { placeOrder, concurrency: 7, onOutcome });
    assert.equal(most, 7);
    assert.equal(outcomes.length, 100);
    assert.deepEqual([report.done, report.placed, report.undone], [100, 80, 20]);
    assert.deepEqual(report.reasons, { InsufficientFunds: 10, OutOfStock: 10 });
    assert.equal(report.failures.length, 5);
    assert.equal(report.stopped, undefined);
  });

  it('keeps memory flat over 100,000 orders', async function () {
    this.timeout(120_000);
    const placeOrder = transaction(() => Promise.resolve());
    await placeOrders(orders(10_000), { placeOrder, concurrency: 20 });
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    let most = 0;
    let seen = 0;
    const onOutcome = () => {
      if (++seen % 10_000 === 0) most = Math.max(most, process.memoryUsage().heapUsed);
    };
    const report = await placeOrders(orders(100_000), { placeOrder, concurrency: 20, onOutcome });
    assert.equal(report.placed, 100_000);
    // What 100,000 outcomes, promises or orders would take is several times that.
    assert.ok(most - before < 40e6, `grew by ${most - before} bytes`);
  });

  it('stops when it is interrupted, waits for nothing, and says how far it was', async () => {
    const abort = new AbortController();
    let calls = 0;
    const placeOrder = transaction(() => (++calls > 10 ? new Promise(() => undefined) : Promise.resolve()));
    const placing = placeOrders(orders(100), { placeOrder, concurrency: 4, signal: abort.signal });
    setTimeout(() => {
      abort.abort();
    }, 20);
    const report = await placing;
    assert.deepEqual([report.done, report.placed, report.stopped], [10, 10, 'interrupted']);
    assert.equal(calls, 14);
  });

  it('starts nothing when it is interrupted before it begins', async () => {
    const placeOrder = transaction(() => assert.fail('started'));
    const report = await placeOrders(orders(10), { placeOrder, concurrency: 4, signal: AbortSignal.abort() });
    assert.deepEqual([report.done, report.stopped], [0, 'interrupted']);
  });

  it('counts those that an earlier run had begun', async () => {
    const placeOrder = transaction(() => Promise.resolve());
    const known = [...orders(10)].map((order, n) => (n < 7 ? { ...order, customerId: 'known' } : order));
    const report = await placeOrders(known, { placeOrder, concurrency: 4 });
    assert.deepEqual([report.placed, report.earlier], [10, 7]);
    assert.match(describePlacing(report, 10), /7 of them had been placed by an earlier run/);
  });

  it('stops when the server is lost, and when no worker serves', async () => {
    let calls = 0;
    const lost = transaction(() =>
      ++calls > 10 ? Promise.reject(new ServerUnavailable('the server is gone', 'here')) : Promise.resolve(),
    );
    const report = await placeOrders(orders(100), { placeOrder: lost, concurrency: 2 });
    assert.deepEqual([report.done, report.stopped], [10, 'the server is gone']);

    const unserved = transaction(({ orderId }) =>
      Promise.reject(new TransactionPending({ gid: orderId, state: 'running', taskQueue: 'q', noWorker: true })),
    );
    const { pending, stopped } = await placeOrders(orders(100), { placeOrder: unserved, concurrency: 2 });
    assert.equal(pending, 2);
    assert.match(stopped ?? '', /no worker serves task queue 'q'/);
  });

  it('throws what it does not know, and starts no further order', async () => {
    let calls = 0;
    const placeOrder = transaction(() => {
      calls += 1;
      return Promise.reject(new TypeError('a defect'));
    });
    await assert.rejects(placeOrders(orders(100), { placeOrder, concurrency: 3 }), /a defect/);
    assert.equal(calls, 3);
  });
});

describe('latencies', () => {
  it('tell quantiles within 2 %, however many there are', () => {
    const latencies = new Latencies();
    for (let n = 1; n <= 100_000; n++) latencies.record(n / 10);
    for (const q of [0.01, 0.5, 0.9, 0.99]) {
      const exact = 10_000 * q;
      assert.ok(Math.abs(latencies.quantile(q) - exact) <= exact * 0.02 + 1, `${q}: ${latencies.quantile(q)}`);
    }
    assert.equal(latencies.max, 10_000);
  });

  it('of nothing are 0, and of one are that one', () => {
    const latencies = new Latencies();
    assert.deepEqual([latencies.quantile(0.5), latencies.max], [0, 0]);
    latencies.record(100);
    assert.ok(Math.abs(latencies.quantile(0.99) - 100) <= 2);
  });
});
