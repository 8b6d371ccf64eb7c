import assert from 'node:assert/strict';
import { TransactionCompensated } from '../../../src/kit/client/index.js';
import { DirectWorld } from './world.js';

/** Whether a promise was rejected as undone, or what it resolved to. */
async function toldBy(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof TransactionCompensated) return 'undone';
    throw error;
  }
}

/** Lets a caller go on to a point, and waits there until it may go on. */
function barrier() {
  let reach: () => void = () => undefined;
  let open: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => (reach = resolve));
  const opened = new Promise<void>((resolve) => (open = resolve));
  const pass = () => {
    reach();
    return opened;
  };
  return { reached, open, pass };
}

/**
 * Another caller has started the transaction as a workflow, and the workflow comes to its end before it has claimed the
 * first step: it must not end without having kept the caller's process from going on, or having taken over from it.
 */
describe('a workflow that is stopped at its first step, beside a process that drives', function () {
  this.timeout(120_000);
  const world = new DirectWorld();
  before(() => world.open());
  after(() => world.close());
  afterEach(async () => {
    const { differences, figures } = await world.books();
    assert.deepEqual(differences, []);
    assert.equal(figures.open, 0);
    assert.deepEqual(await world.announced(), []);
  });
  const direct = { lane: 'direct' } as const;
  const LONG = { callMs: 60_000, takeOverMs: 240_000 };

  for (const step of ['orders.create.action', 'payments.charge.action']) {
    it(`ends as the process does, which is about to call ${step}, when it was cancelled before its first task`, async () => {
      const { reached, open, pass } = barrier();
      const { placeOrder } = world.caller({
        ...LONG,
        probe: (at, operation) => (at === 'before' && operation.function === step ? pass() : Promise.resolve()),
      });
      const order = world.order();
      await world.stopWorker();
      const inProcess = toldBy(placeOrder(order, direct));
      await reached;
      const workflow = await world.caller().placeOrder.start(order);
      await world.client.workflow.getHandle(workflow.gid).cancel();
      await world.startWorker();
      assert.equal(await toldBy(workflow.result()), 'undone');
      open();
      assert.equal(await inProcess, 'undone');
      assert.equal(await toldBy(world.caller().placeOrder(order, direct)), 'undone');
    });
  }

  it('takes over from the process when its own first step has no known outcome, and undoes nothing behind its back', async () => {
    const { reached, open, pass } = barrier();
    const { placeOrder } = world.caller({
      ...LONG,
      probe: (at, operation) =>
        at === 'before' && operation.function === 'inventory.reserve.action' ? pass() : Promise.resolve(),
    });
    const order = world.order();
    const inProcess = toldBy(placeOrder(order, direct));
    await reached;
    world.worker.faults.set({ function: 'orders.create.action', kind: 'fail', attempts: 1 });
    const told = await toldBy(world.caller().placeOrder(order, { retries: 0 }));
    open();
    world.worker.faults.clear();
    assert.deepEqual(await inProcess, told);
    assert.deepEqual(await toldBy(world.caller().placeOrder(order, direct)), told);
  });

  it('gives a deadline that passes before the first step to a workflow, whose answer everybody gets', async () => {
    const order = world.order();
    const { placeOrder, handedOver } = world.caller();
    const told = await toldBy(placeOrder(order, { ...direct, deadline: 0.000_1 }));
    assert.equal(handedOver.length, 1);
    assert.deepEqual(await toldBy(world.caller().placeOrder(order, direct)), told);
  });
});
