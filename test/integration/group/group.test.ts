import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { placeOrderTransaction } from '../../../src/contracts/transactions.js';
import {
  GidConflict,
  ResultNotKept,
  scanNow,
  TransactionCompensated,
  TransactionTerminated,
} from '../../../src/kit/client/index.js';
import { settleGroup } from '../../../src/kit/worker/settle-group.js';
import { TX_STATE } from '../../../src/kit/workflow/attributes.js';
import { GROUP_STATE } from '../../../src/kit/workflow/group.js';
import type { SagaCall } from '../../../src/kit/workflow/saga/definition.js';
import { DirectWorld } from '../direct/world.js';

const grouped = { lane: 'grouped' } as const;

describe('the grouped lane', function () {
  this.timeout(180_000);
  const world = new DirectWorld();
  before(() => world.open());
  after(() => world.close());
  afterEach(async () => {
    world.worker.faults.clear();
    const { differences, figures } = await world.books();
    assert.deepEqual(differences, []);
    assert.equal(figures.open, 0);
    assert.deepEqual(await world.announced(), []);
  });
  const inject = (fault: string, orderId: string, attempts?: number) => {
    const [name = '', kind] = fault.split(':');
    world.worker.faults.set({ function: name, kind: kind as 'fail', gid: `order-${orderId}`, attempts });
  };
  const outcomeOf = async (call: Promise<unknown>) => {
    try {
      await call;
      return 'placed';
    } catch (error) {
      assert.ok(error instanceof TransactionCompensated, String(error));
      return error.report.cause.type;
    }
  };

  it('places orders that share a workflow, each with an outcome of its own', async () => {
    const { placeOrder } = world.caller({ groups: { size: 6 } });
    const given = [
      world.order(),
      world.order('poor'),
      world.order('nobody'),
      { ...world.order(), units: 100_000 },
      { ...world.order(), announce: true },
      world.order(),
    ];
    const before = await world.groups();
    const outcomes = await Promise.all(given.map((order) => outcomeOf(placeOrder(order, grouped))));
    assert.deepEqual(outcomes, ['placed', 'InsufficientFunds', 'UnknownCustomer', 'OutOfStock', 'placed', 'placed']);
    const states = ['committed', 'compensated', undefined, 'compensated', 'committed', 'committed'];
    for (const [index, { orderId }] of given.entries()) {
      assert.equal(await world.fate(orderId), states[index]);
      assert.equal(await world.hasWorkflow(orderId), false);
    }
    const again = world.caller();
    assert.deepEqual(await Promise.all(given.map((order) => outcomeOf(again.placeOrder(order, grouped)))), outcomes);
    assert.ok((await world.groups()).length <= before.length + 2);
  });

  it('answers a second call with the result of the first, and refuses other content', async () => {
    const order = world.order();
    const first = await world.caller().placeOrder(order, grouped);
    assert.deepEqual(await world.caller().placeOrder(order, grouped), first);
    const other = { ...order, units: 2 };
    await assert.rejects(world.caller().placeOrder(other, grouped), GidConflict);
    const { placeOrder } = world.caller();
    const both = world.order();
    const placed = placeOrder(both, grouped);
    await assert.rejects(placeOrder({ ...both, units: 2 }, grouped), GidConflict);
    assert.deepEqual(await placeOrder(both, grouped), await placed);
  });

  for (const fault of [
    'orders.create.action:die-after-commit',
    'orders.create.action:hang',
    'payments.charge.action:die-after-commit',
    'payments.charge.action:fail',
    'payments.charge.action:hang',
    'shipping.dispatch.action:die-after-commit',
    'notifications.orderPlaced.action:fail',
  ]) {
    it(`lets one go on as a workflow of its own (${fault}), and keeps the others`, async () => {
      const { placeOrder } = world.caller({ groups: { size: 3 } });
      const [one, sick, other] = [world.order(), world.order(), world.order()];
      inject(fault, sick.orderId, 3);
      const placing = Promise.all([one, sick, other].map((order) => outcomeOf(placeOrder(order, grouped))));
      while (!(await world.hasWorkflow(sick.orderId)));
      world.worker.faults.clear();
      assert.deepEqual(await placing, ['placed', 'placed', 'placed']);
      assert.equal(await world.hasWorkflow(sick.orderId), true);
      for (const { orderId } of [one, other]) {
        assert.equal(await world.hasWorkflow(orderId), false);
        assert.equal(await world.fate(orderId), 'committed');
      }
    });
  }

  it('tries a call again before it leaves', async () => {
    const order = world.order();
    inject('payments.charge.action:fail', order.orderId, 1);
    await world.caller().placeOrder(order, grouped);
    assert.equal(await world.hasWorkflow(order.orderId), false);
  });

  it('reads once what a caller gave: what changes of it later is not asked for', async () => {
    const order = world.order();
    const { orderId } = order;
    inject('payments.charge.action:fail', orderId, 3);
    const placing = world.caller().placeOrder(order, grouped);
    order.units = 2;
    assert.equal((await placing).orderId, orderId);
    assert.equal(await world.hasWorkflow(orderId), true);
  });

  it('gives an undo that fails to a workflow, which undoes, never acts again, and tells why it was decided', async () => {
    const order = world.order('poor');
    inject('orders.create.compensation:fail', order.orderId, 3);
    assert.equal(await outcomeOf(world.caller().placeOrder(order, grouped)), 'InsufficientFunds');
    assert.equal(await world.hasWorkflow(order.orderId), true);
    assert.equal(await world.fate(order.orderId), 'compensated');
  });

  it('tells duplicates in every lane that the result of the first could not be kept', async () => {
    const order = world.order();
    await world.caller().placeOrder(order, grouped);
    await world.databases.orders.run(
      `update backstitch.guard set fate = fate - 'result' || '{"unstored": "a zero"}' where gid = $1 and fate is not null`,
      [`order-${order.orderId}`],
    );
    for (const lane of ['grouped', 'direct', 'durable', 'grouped'] as const) {
      await assert.rejects(world.caller().placeOrder(order, { lane }), (error) => {
        assert.ok(error instanceof ResultNotKept, String(error));
        assert.match(error.message, /was committed, .* a zero$/);
        return true;
      });
    }
  });

  it('among many callers of one gid, in every lane, does the order once', async () => {
    for (const customer of ['rich', 'poor']) {
      const order = world.order(customer);
      const lanes = ['grouped', 'direct', 'grouped', 'durable', 'grouped', 'lean', 'direct', 'grouped'] as const;
      const results = await Promise.all(
        lanes.map((lane) =>
          world
            .caller()
            .placeOrder(order, { lane })
            .then(
              (placed) => JSON.stringify(placed),
              (error: unknown) => (error as Error).name,
            ),
        ),
      );
      for (const result of results) assert.equal(result, results[0]);
      assert.equal(results[0] === 'TransactionCompensated', customer === 'poor');
    }
  });

  it('that is terminated is settled by the scan, member by member', async () => {
    const { placeOrder } = world.caller({ groups: { size: 2 } });
    const [one, slow] = [world.order(), world.order()];
    inject('payments.charge.action:hang', slow.orderId);
    const placing = Promise.allSettled([one, slow].map((order) => placeOrder(order, grouped)));
    let running: string[] = [];
    while (running.length === 0) running = await world.groups('RUNNING');
    await world.client.workflow.getHandle(running[0] ?? '').terminate('a test');
    for (const settled of await placing) {
      assert.ok(settled.status === 'rejected' && settled.reason instanceof TransactionTerminated);
    }
    world.worker.faults.clear();
    const gids = [one, slow].map(({ orderId }) => `order-${orderId}`);
    const settled = new Set<string>();
    // The list of the server lags.
    while (!gids.every((gid) => settled.has(gid))) {
      const report = await scanNow(world.client, world);
      for (const gid of report.settled) settled.add(gid);
    }
    for (const order of [one, slow]) {
      const outcome = await outcomeOf(world.caller().placeOrder(order, grouped));
      assert.ok(['placed', 'Terminated'].includes(outcome), outcome);
      assert.equal(await world.fate(order.orderId), outcome === 'placed' ? 'committed' : 'compensated');
    }
  });

  describe('a run of it that has ended', () => {
    const transaction = placeOrderTransaction.workflow;
    /** Starts a group under an id, as the client does. */
    const startGroup = (workflowId: string, gid: string, taskQueue: string, more: SagaCall = {}) => {
      const member = { gid, input: { ...world.order(), units: 2 }, inputHash: 'hash' };
      return world.client.workflow.start(transaction, {
        ...{ workflowId, taskQueue, args: [null, { ...more, group: { members: [member] } }] },
        typedSearchAttributes: [{ key: TX_STATE, value: GROUP_STATE }],
      });
    };
    const settled = (handle: { workflowId: string; firstExecutionRunId: string }) =>
      settleGroup(world.client, { workflowId: handle.workflowId, runId: handle.firstExecutionRunId });

    it('is settled only if it is the newest one', async () => {
      const [workflowId, gid] = [`${transaction}-group-${randomUUID()}`, `order-${randomUUID()}`];
      const nobody = `nobody-${randomUUID()}`;
      const first = await startGroup(workflowId, gid, nobody);
      await first.terminate('a test');
      const second = await startGroup(workflowId, gid, nobody);
      assert.deepEqual(await settled(first), []);
      await second.terminate('a test');
      assert.deepEqual(await settled(first), []);
      assert.deepEqual(await settled(second), [gid]);
      await world.client.workflow.getHandle(gid).terminate('a test');
    });

    it('is not settled where its options made no sense: nothing was begun', async () => {
      const gid = `order-${randomUUID()}`;
      const wrong = await startGroup(`${transaction}-group-${randomUUID()}`, gid, world.taskQueue, { retries: -1 });
      await assert.rejects(wrong.result());
      assert.deepEqual(await settled(wrong), []);
    });
  });
});
