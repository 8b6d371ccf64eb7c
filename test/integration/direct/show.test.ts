import assert from 'node:assert/strict';
import { placeOrderTransaction } from '../../../src/contracts/transactions.js';
import {
  NoWorker,
  OrderRefused,
  promote,
  showTransaction,
  TransactionCompensated,
  transactionClient,
  TransactionNotFound,
  type ShownTransaction,
} from '../../../src/kit/client/index.js';
import { DirectWorld } from './world.js';

describe('a transaction of the direct lane', function () {
  this.timeout(120_000);
  const world = new DirectWorld();
  before(() => world.open());
  after(async () => {
    try {
      assert.deepEqual((await world.books()).differences, []);
      assert.deepEqual(await world.announced(), []);
    } finally {
      await world.close();
    }
  });
  const direct = { lane: 'direct' } as const;
  const show = (gid: string): Promise<ShownTransaction> => showTransaction(world.client, gid, world);
  const gidOf = ({ orderId }: { orderId: string }) => `order-${orderId}`;
  const steps = ({ branches }: ShownTransaction) =>
    branches.map(({ branch, state, then }) => [branch, state, then?.op]);

  describe('shown', () => {
    it('that is committed, without a workflow: branches with their calls in order, its result, who drove it', async () => {
      const order = world.order();
      const result = await world.caller({ who: 'till 7' }).placeOrder(order, direct);
      const shown = await show(gidOf(order));
      assert.deepEqual(
        [shown.state, shown.transaction, shown.scheme, shown.lane, shown.result, shown.report],
        ['committed', 'placeOrder', 'saga', 'direct', result, undefined],
      );
      const { driver } = shown;
      assert.ok(driver.kind === 'process' && driver.owner.startsWith('direct:'));
      assert.deepEqual([driver.who, driver.home, driver.takeOverAt], ['till 7', 'orders', undefined]);
      assert.deepEqual(steps(shown), [
        ['create-order', 'succeeded', undefined],
        ['pay', 'succeeded', undefined],
        ['reserve-stock', 'succeeded', undefined],
        ['ship', 'succeeded', undefined],
        ['complete-order', 'succeeded', undefined],
        ['notify', 'succeeded', undefined],
      ]);
      const calls = shown.branches.flatMap((branch) => branch.calls);
      for (const { attempts, startedAt, endedAt, worker } of calls) {
        assert.deepEqual([attempts, worker], [1, 'till 7']);
        assert.ok(startedAt <= (endedAt ?? '') && shown.startedAt <= startedAt);
        assert.ok((endedAt ?? '') <= (shown.endedAt ?? ''));
      }
    });

    it('that was undone: why, and what was undone', async () => {
      const order = world.order('poor');
      const error: unknown = await world
        .caller()
        .placeOrder(order, direct)
        .catch((thrown: unknown) => thrown);
      assert.ok(error instanceof TransactionCompensated);
      const shown = await show(gidOf(order));
      assert.deepEqual([shown.state, shown.report], ['compensated', error.report]);
      assert.deepEqual(steps(shown), [
        ['create-order', 'succeeded', 'compensation'],
        ['pay', 'rejected', undefined],
      ]);
      assert.equal(shown.branches[1]?.calls[0]?.failure?.type, 'InsufficientFunds');
    });

    it('that was refused at its first step, and so never announced', async () => {
      const order = { ...world.order(), customerId: 'nobody' };
      await assert.rejects(world.caller().placeOrder(order, direct), TransactionCompensated);
      const shown = await show(gidOf(order));
      assert.deepEqual(
        [shown.state, shown.lane, shown.report?.cause.type],
        ['compensated', 'direct', 'UnknownCustomer'],
      );
      assert.deepEqual(steps(shown), [['create-order', 'rejected', undefined]]);
      assert.ok(shown.endedAt);
    });

    it('while it runs, and while it is undone: who drives it, what it is, when a worker takes it over', async () => {
      const running = world.held('payments.charge.action');
      const order = world.order();
      const placed = running.placeOrder(order, direct);
      await running.reached;
      const shown = await show(gidOf(order));
      assert.deepEqual([shown.state, shown.endedAt, shown.transaction], ['running', undefined, 'placeOrder']);
      assert.match(shown.summary ?? '', /1 cd for 1.00/);
      assert.deepEqual(steps(shown), [['create-order', 'succeeded', undefined]]);
      assert.ok(shown.driver.kind === 'process' && Date.parse(shown.driver.takeOverAt ?? '') > Date.now());
      running.go();
      await placed;

      const undoing = world.held('orders.create.compensation');
      const poor = world.order('poor');
      const undone = undoing.placeOrder(poor, direct);
      await undoing.reached;
      assert.equal((await show(gidOf(poor))).state, 'compensating');
      undoing.go();
      await assert.rejects(undone, TransactionCompensated);
    });

    it('that another caller ran again as a workflow, which did nothing: as it was driven', async () => {
      const order = world.order();
      await world.caller().placeOrder(order, direct);
      await world.caller().placeOrder(order);
      const shown = await show(gidOf(order));
      assert.deepEqual([shown.lane, shown.driver.kind, shown.branches.length], ['direct', 'process', 6]);
    });

    it('that a workflow took over: as that workflow', async () => {
      const { placeOrder, faults } = world.caller();
      faults.set({ function: 'payments.charge.action', kind: 'fail' });
      const order = world.order();
      await placeOrder(order, direct);
      const shown = await show(gidOf(order));
      assert.deepEqual([shown.state, shown.driver.kind, shown.branches.length], ['committed', 'workflow', 6]);
    });

    it('that is unknown is told so; and without a worker to ask that there is none', async () => {
      await assert.rejects(show('order-none'), TransactionNotFound);
      await assert.rejects(showTransaction(world.client, 'order-none', { taskQueue: 'nobody' }), NoWorker);
    });
  });

  describe('promoted by a person', () => {
    const order = (gid: string, reason = 'its till was stolen') =>
      promote(world.client, world, { gid, actor: 'ann', reason });

    it('goes on as a workflow, which the process follows; who did it and why stays with it', async () => {
      const slow = world.held('inventory.reserve.action');
      const given = world.order();
      const gid = gidOf(given);
      const placed = slow.placeOrder(given, direct);
      await slow.reached;
      const promoted = await order(gid);
      assert.match(promoted.ownerBefore, /^direct:/);
      const { orderId } = (await world.client.workflow.getHandle(gid).result()) as { orderId: string };
      slow.go();
      assert.equal((await placed).orderId, orderId);
      const { operations, driver } = await show(gid);
      assert.equal(driver.kind, 'workflow');
      const { actor, reason, at } = promoted;
      const who = { actor, reason, at };
      assert.deepEqual(operations, [{ action: 'promote', ...who }]);
      const [kept] = await world.databases.orders.run<{ promoted: unknown }>(
        `select fate->'promoted' as promoted from backstitch.guard where gid = $1 and fate is not null`,
        [gid],
      );
      assert.deepEqual(kept?.promoted, who);
    });

    it('while it is undone is undone to its end', async () => {
      const slow = world.held('orders.create.compensation');
      const given = world.order('poor');
      const undone = slow.placeOrder(given, direct);
      await slow.reached;
      await order(gidOf(given));
      await assert.rejects(world.client.workflow.getHandle(gidOf(given)).result());
      slow.go();
      await assert.rejects(undone, TransactionCompensated);
      assert.equal(await world.fate(given.orderId), 'compensated');
    });

    it('is refused where there is nothing to promote: unknown, a workflow, ended', async () => {
      await assert.rejects(order('order-none'), TransactionNotFound);
      const committed = world.order();
      await world.caller().placeOrder(committed, direct);
      await assert.rejects(order(gidOf(committed)), { name: 'OrderRefused', message: /it has ended, committed$/ });
      const durable = world.order();
      await world.caller().placeOrder(durable);
      await assert.rejects(order(gidOf(durable)), /it has ended, committed$/);
      const unserved = transactionClient(world.client, { taskQueue: 'nobody' }).of(placeOrderTransaction);
      const { gid } = await unserved.start(world.order());
      await assert.rejects(order(gid), { name: 'OrderRefused', message: /a workflow has it already$/ });
      await world.client.workflow.getHandle(gid).terminate();
      const refused = { ...world.order(), customerId: 'nobody' };
      await assert.rejects(world.caller().placeOrder(refused, direct), TransactionCompensated);
      await assert.rejects(order(gidOf(refused)), /it has ended, compensated$/);
      await assert.rejects(order('x', ' '), OrderRefused);
    });
  });
});
