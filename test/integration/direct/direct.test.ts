import assert from 'node:assert/strict';
import { GidConflict, TransactionCompensated, TransactionPending } from '../../../src/kit/client/index.js';
import { deferred, DirectWorld } from './world.js';

describe('the direct lane', function () {
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

  it('places an order without a workflow, and answers a second call with the same', async () => {
    const { placeOrder, handedOver } = world.caller();
    const order = world.order();
    const placed = await placeOrder(order, direct);
    assert.equal(placed.orderId, order.orderId);
    assert.deepEqual(await world.caller().placeOrder(order, direct), placed);
    assert.equal(await world.fate(order.orderId), 'committed');
    assert.equal(await world.hasWorkflow(order.orderId), false);
    assert.deepEqual(handedOver, []);
  });

  it('undoes an order that is refused, and tells every caller the same', async () => {
    const order = world.order('poor');
    const told = async () => {
      const error: unknown = await world
        .caller()
        .placeOrder(order, direct)
        .catch((thrown: unknown) => thrown);
      assert.ok(error instanceof TransactionCompensated, String(error));
      return { message: error.message, report: error.report };
    };
    const first = await told();
    assert.deepEqual(first.report.undone, ['create-order']);
    assert.equal(first.report.cause.type, 'InsufficientFunds');
    assert.deepEqual(await told(), first);
    assert.equal(await world.fate(order.orderId), 'compensated');
    assert.equal(await world.hasWorkflow(order.orderId), false);
  });

  it('announces nothing when its first step is refused: the stored rejection answers every caller', async () => {
    const order = { ...world.order(), customerId: 'nobody' };
    for (const caller of [world.caller(), world.caller()]) {
      await assert.rejects(caller.placeOrder(order, direct), {
        name: 'TransactionCompensated',
        message: /UnknownCustomer/,
      });
    }
    assert.equal(await world.hasWorkflow(order.orderId), false);
  });

  it('refuses the same gid with another input', async () => {
    const { placeOrder } = world.caller();
    const order = world.order();
    await placeOrder(order, direct);
    await assert.rejects(placeOrder({ ...order, units: 2 }, direct), GidConflict);
  });

  for (const fault of [
    'orders.create.action:die-after-commit',
    'orders.create.action:fail',
    'payments.charge.action:die-after-commit',
    'payments.charge.action:fail',
    'shipping.dispatch.action:die-after-commit',
    'notifications.orderPlaced.action:fail',
  ]) {
    it(`gives it to a workflow at once when an outcome is unknown (${fault}), and the order is placed`, async () => {
      const { placeOrder, faults, handedOver } = world.caller();
      const [name = '', kind] = fault.split(':');
      faults.set({ function: name, kind: kind as 'fail' });
      const order = world.order();
      const { orderId } = await placeOrder(order, direct);
      assert.equal(orderId, order.orderId);
      assert.equal(handedOver.length, 1);
      assert.equal(await world.fate(orderId), 'committed');
    });
  }

  it('gives an undo that fails to a workflow, which undoes, never acts again, and tells why it was decided', async () => {
    const { placeOrder, faults } = world.caller();
    faults.set({ function: 'orders.create.compensation', kind: 'fail' });
    const order = world.order('poor');
    await assert.rejects(placeOrder(order, direct), (error: unknown) => {
      assert.ok(error instanceof TransactionCompensated);
      const { step, type, knowledge } = error.report.cause;
      assert.deepEqual([step, type, knowledge], ['pay', 'InsufficientFunds', 'rejected']);
      return true;
    });
    assert.equal(await world.fate(order.orderId), 'compensated');
  });

  it('is taken over by a worker when its process dies at any point', async () => {
    const points = ['before', 'working', 'worked', 'committed'] as const;
    for (const name of ['orders.create.action', 'payments.charge.action', 'shipping.dispatch.action']) {
      for (const point of points) {
        const dead = deferred<never>();
        const reached = deferred<undefined>();
        const { placeOrder } = world.caller({
          takeOverMs: 240_000,
          // Until then the server holds what the dead process has open.
          callMs: 5_000,
          probe: (at, operation) => {
            if (at !== point || operation.function !== name) return Promise.resolve();
            reached.resolve(undefined);
            return dead.promise;
          },
        });
        const order = world.order();
        const lost = placeOrder(order, direct);
        lost.catch(() => undefined);
        await reached.promise;
        dead.promise.catch(() => undefined);
        await world.makeDue(order.orderId);
        // Where nothing was committed nothing has to go on; the same call again must then do it all.
        const { orderId } = await world.caller().placeOrder(order, direct);
        assert.equal(orderId, order.orderId, `${name} ${point}`);
        assert.equal(await world.fate(orderId), 'committed');
        dead.reject(new Error('the end of the test'));
        assert.deepEqual(await lost, { ...(await world.caller().placeOrder(order, direct)) });
      }
    }
  });

  it('that meets a workflow of its gid follows it, and a workflow that meets its end ends so too', async () => {
    const { placeOrder } = world.caller();
    const durable = world.order();
    const placed = await placeOrder(durable);
    assert.deepEqual(await placeOrder(durable, direct), placed);
    const inProcess = world.order();
    const first = await placeOrder(inProcess, direct);
    assert.deepEqual(await placeOrder(inProcess), first);
    const refused = world.order('poor');
    await assert.rejects(placeOrder(refused, direct), TransactionCompensated);
    await assert.rejects(placeOrder(refused), TransactionCompensated);
  });

  it('is taken over by a workflow that another caller starts meanwhile', async () => {
    const slow = world.held('inventory.reserve.action');
    const order = world.order();
    const first = slow.placeOrder(order, direct);
    await slow.reached;
    const placed = await world.caller().placeOrder(order, { lane: 'durable' });
    slow.go();
    assert.deepEqual(await first, placed);
    assert.deepEqual(slow.handedOver, []);
  });

  it('tells a caller who does not want to wait for the undo that it is pending', async () => {
    const { placeOrder } = world.caller();
    const order = world.order('poor');
    await assert.rejects(placeOrder(order, { ...direct, undo: 'background' }), TransactionPending);
    await assert.rejects(placeOrder(order, direct), TransactionCompensated);
  });

  it('among many callers of one gid does the order once', async () => {
    const order = world.order();
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        world.caller().placeOrder(order, index % 5 === 4 ? { lane: 'lean' } : direct),
      ),
    );
    for (const result of results) assert.deepEqual(result, results[0]);
  });
});
