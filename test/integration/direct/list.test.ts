import assert from 'node:assert/strict';
import {
  GidConflict,
  listTransactions,
  showTransaction,
  TransactionCompensated,
  type ListedTransaction,
  type ListOptions,
} from '../../../src/kit/client/index.js';
import { DirectWorld } from './world.js';
import { until } from '../../support/until.js';

describe('the list of transactions, of all lanes', function () {
  this.timeout(240_000);
  const world = new DirectWorld();
  before(() => world.open());
  after(() => world.close());
  const direct = { lane: 'direct' } as const;
  const began = new Date();
  const gidOf = ({ orderId }: { orderId: string }) => `order-${orderId}`;

  async function listed(options: Partial<ListOptions> = {}): Promise<ListedTransaction[]> {
    const found: ListedTransaction[] = [];
    const onMissing = (line: string) => assert.fail(line);
    for await (const each of listTransactions(world.client, {
      ...{ limit: 1_000, since: began, where: world, onMissing, ...options },
    })) {
      // Other tests use the server too.
      if (each.gid.includes(world.taskQueue)) found.push(each);
    }
    return found;
  }
  /** The list, as soon as the server's own list has this workflow, which follows with a delay. */
  async function once(gid: string, options: Partial<ListOptions> = {}): Promise<ListedTransaction[]> {
    let found: ListedTransaction[] = [];
    await until(async () => {
      found = await listed(options);
      return found.some((each) => each.gid === gid && each.runId !== undefined);
    }, 30_000);
    return found;
  }

  it('has each once: of a process, of a workflow, and of both, where the line of the workflow counts', async () => {
    const [one, two, poor, durable] = [world.order(), world.order(), world.order('poor'), world.order()];
    await world.caller().placeOrder(one, direct);
    await assert.rejects(world.caller().placeOrder(poor, direct), TransactionCompensated);
    await world.caller().placeOrder(durable);
    const troubled = world.caller();
    troubled.faults.set({ function: 'payments.charge.action', kind: 'fail' });
    await troubled.placeOrder(two, direct);
    const refused = { ...world.order(), customerId: 'nobody' };
    await assert.rejects(world.caller().placeOrder(refused, direct), TransactionCompensated);

    await once(gidOf(durable));
    const found = await once(gidOf(two));
    assert.deepEqual(
      found.map(({ gid, state, lane, transaction, scheme, runId }) => [
        gid,
        state,
        lane,
        transaction,
        scheme,
        runId !== undefined,
      ]),
      [
        [gidOf(two), 'committed', 'workflow', 'placeOrder', 'saga', true],
        [gidOf(durable), 'committed', 'workflow', 'placeOrder', 'saga', true],
        [gidOf(poor), 'compensated', 'direct', 'placeOrder', 'saga', false],
        [gidOf(one), 'committed', 'direct', 'placeOrder', 'saga', false],
      ],
    );
    for (const { startedAt, endedAt } of found) assert.ok(startedAt <= (endedAt ?? ''));
    const committed = await listed({ state: 'committed' });
    assert.deepEqual(
      committed.map(({ gid }) => gid),
      [two, durable, one].map(gidOf),
    );
    assert.deepEqual(
      (await listed({ state: 'compensated' })).map(({ gid }) => gid),
      [gidOf(poor)],
    );
    assert.deepEqual(await listed({ state: 'stuck' }), []);
    assert.deepEqual(await listed({ scheme: 'tcc' }), []);
    assert.deepEqual(await listed({ since: new Date(Date.now() + 60_000) }), []);
  });

  it('has one whose gid another caller has tried to use for something else', async () => {
    const order = world.order();
    await world.caller().placeOrder(order, direct);
    await assert.rejects(world.caller().placeOrder({ ...order, units: 2 }), GidConflict);
    // What comes after it in the list of the server is there.
    const later = world.order();
    await world.caller().placeOrder(later);
    const found = await once(gidOf(later));
    assert.deepEqual(
      found.filter(({ gid }) => gid === gidOf(order)).map(({ state, lane }) => [state, lane]),
      [['committed', 'direct']],
    );
    const shown = await showTransaction(world.client, gidOf(order), world);
    assert.deepEqual([shown.state, shown.lane, shown.branches.length], ['committed', 'direct', 6]);
  });

  it('has one whose gid is also the id of a workflow that is no transaction', async () => {
    const [order, later] = [world.order(), world.order()];
    await world.caller().placeOrder(order, direct);
    const start = { workflowId: gidOf(order), taskQueue: 'nobody', args: [] };
    const own = await world.client.workflow.start('booking', start);
    await world.caller().placeOrder(later);
    const found = await once(gidOf(later));
    assert.deepEqual(
      found.filter(({ gid }) => gid === gidOf(order)).map(({ state, lane }) => [state, lane]),
      [['committed', 'direct']],
    );
    await own.terminate();
  });

  it('has those in progress first', async () => {
    const running = world.held('payments.charge.action');
    const undoing = world.held('orders.create.compensation');
    const [order, poor] = [world.order(), world.order('poor')];
    const calls = [running.placeOrder(order, direct), undoing.placeOrder(poor, direct)];
    await Promise.all([running.reached, undoing.reached]);
    const states = (found: ListedTransaction[]) => found.map(({ gid, state }) => [gid, state]);
    const found = states(await listed()).slice(0, 2);
    assert.deepEqual(
      new Map(found as [string, string][]),
      new Map([
        [gidOf(order), 'running'],
        [gidOf(poor), 'compensating'],
      ]),
    );
    assert.deepEqual(states(await listed({ state: 'compensating' })), [[gidOf(poor), 'compensating']]);
    running.go();
    undoing.go();
    await Promise.allSettled(calls);
    assert.deepEqual(await listed({ state: 'running' }), []);
  });

  it('ends where it was asked to end, and is in order', async () => {
    const orders = Array.from({ length: 12 }, () => world.order());
    await Promise.all(orders.map((order, n) => world.caller().placeOrder(order, n % 3 === 0 ? {} : direct)));
    for (const [n, order] of orders.entries()) if (n % 3 === 0) await once(gidOf(order));
    const found = await listed();
    assert.equal(new Set(found.map(({ gid }) => gid)).size, found.length);
    const ends = found.map(({ endedAt }) => endedAt ?? '~');
    assert.deepEqual(ends, ends.toSorted().reverse());
    const first: string[] = [];
    for await (const { gid } of listTransactions(world.client, { limit: 5, where: world })) first.push(gid);
    assert.equal(new Set(first).size, 5);
  });

  it('without a worker has the workflows, and says what is missing', async () => {
    const missing: string[] = [];
    const where = { taskQueue: 'nobody' };
    const onMissing = (line: string) => missing.push(line);
    const gids: string[] = [];
    for await (const { gid, runId } of listTransactions(world.client, {
      limit: 1_000,
      since: began,
      where,
      onMissing,
    })) {
      assert.ok(runId);
      gids.push(gid);
    }
    assert.ok(gids.some((gid) => gid.includes(world.taskQueue)));
    const line =
      "transactions that are no workflows are missing: no worker serves task queue 'nobody' of namespace 'default'";
    assert.deepEqual(missing, [line]);
  });
});
