import assert from 'node:assert/strict';
import { openShop } from '../../../src/client/shop.js';
import type { LifecycleOrder } from '../../../src/contracts/lifecycle.js';
import type { orderLifecycleMachine } from '../../../src/contracts/order-lifecycle.js';
import { orderLifecycleContract } from '../../../src/contracts/transactions.js';
import { machineClient, type MachineClient } from '../../../src/kit/client/index.js';
import type { EffectOrder } from '../../../src/kit/workflow/index.js';
import { until } from '../../support/until.js';
import { ShopWorld } from '../support.js';

/** Orders that race; all 1,000: `RACE_ORDERS=1000`. */
const ORDERS = Number(process.env.RACE_ORDERS ?? 30);
const AT_A_TIME = 40;
const LIMIT_MS = 600_000;

/** Whoever races: the customer, who pays; whoever cancels; the deadline. All by the machine, or past it, as somebody would whose machine is gone. */
const kinds = ['all by the machine', 'the cancel past it', 'the payment past it'] as const;

describe(`pay, cancel and the deadline of ${ORDERS} orders at the same moment`, function () {
  this.timeout(900_000);
  const world = new ShopWorld();
  let machines: MachineClient<typeof orderLifecycleMachine, LifecycleOrder>;

  const orders = Array.from({ length: ORDERS }, (_, index): LifecycleOrder => {
    const customerId = `racer-${index}`;
    return { orderId: String(index), customerId, sku: 'cd', units: 1, amount: 2_933, coupon: `welcome-${customerId}` };
  });
  const each = async (work: (order: LifecycleOrder, index: number) => Promise<void>) => {
    const waiting = orders.entries();
    const lane = async () => {
      for (const [index, order] of waiting) await work(order, index);
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, lane));
  };
  /** The saga of a transition, begun by somebody who does not ask the machine. */
  const past = (data: LifecycleOrder, event: 'pay' | 'cancel') => {
    const id = orderLifecycleContract.gid(data.orderId);
    const to = event === 'pay' ? 'PAID' : 'CANCELLED';
    const move = { id, event, requestId: `past-${event}`, from: 'WAIT_PAY', to, version: 0, at: Date.now() };
    const order: EffectOrder<LifecycleOrder> = { ...move, input: undefined, data, move };
    const workflow = event === 'pay' ? 'payForOrder' : 'cancelUnpaidOrder';
    const options = { workflowId: `${id}.past`, taskQueue: world.taskQueue, args: [order] };
    return world.client.workflow.execute(workflow, options);
  };

  /** Waits until all orders are so. */
  const rest = (where: string) =>
    until(async () => {
      const text = `select count(*)::int as count from orders where ${where}`;
      const [row] = await world.sql<{ count: number }>('orders', text);
      return row?.count === ORDERS;
    }, LIMIT_MS);

  before(async () => {
    const customers = orders.map(({ customerId }) => customerId);
    const opening = { customers, walletCents: 10_000, points: 100, couponCents: 433, sku: 'cd', units: 100_000 };
    await openShop(world.client, world.where, opening);
    machines = machineClient(world.client, { taskQueue: world.taskQueue }, orderLifecycleContract);
    await each(async (order) => {
      const gid = orderLifecycleContract.gid(order.orderId);
      await machines.start(gid, order);
    });
    await rest(`status = 'WAIT_PAY'`);
  });

  it('exactly one of them wins, whoever asks, and money, stock, points and coupon follow it', async () => {
    const began = Date.now();
    const told = new Map<string, { event: 'pay' | 'cancel'; done: boolean }[]>();
    await each(async (order, index) => {
      const { orderId } = order;
      const gid = orderLifecycleContract.gid(orderId);
      const kind = kinds[index % kinds.length];
      const pay = () => (kind === 'the payment past it' ? past(order, 'pay') : machines.send(gid, 'pay'));
      const cancel = () => (kind === 'the cancel past it' ? past(order, 'cancel') : machines.send(gid, 'cancel'));
      const over = () => machines.moveDeadline(gid, { name: 'unpaid', to: Date.now(), actor: 'ann', reason: 'a race' });
      // In every order of starting.
      const racing = { pay, cancel, over };
      const first = Math.floor(index / kinds.length);
      const sequence = (['pay', 'cancel', 'over'] as const).map((_, at, all) => all[(at + first) % 3] ?? 'over');
      const results = await Promise.allSettled(sequence.map((name) => racing[name]()));
      const done = (event: 'pay' | 'cancel') => results[sequence.indexOf(event)]?.status === 'fulfilled';
      told.set(orderId, [
        { event: 'pay', done: done('pay') },
        { event: 'cancel', done: done('cancel') },
      ]);
    });
    const ms = Date.now() - began;
    await rest(`status in ('PAID', 'CANCELLED')`);
    // What the losers have taken goes back, and what belongs to a move follows it: then nothing is under way any more.
    await until(async () => (await world.books()).differenceCount === 0, LIMIT_MS);
    type Row = { order_id: string; status: string; moves: string[] };
    const rows = await world.sql<Row>(
      'orders',
      `select order_id, status, array(select event from order_moves where id = order_id) as moves from orders`,
    );
    const wins = { pay: 0, cancel: 0 };
    for (const { order_id: orderId, status, moves } of rows) {
      const winner = status === 'PAID' ? 'pay' : 'cancel';
      wins[winner]++;
      assert.deepEqual(moves, [winner], `order ${orderId}`);
      for (const { event, done } of told.get(orderId) ?? []) {
        if (done) assert.equal(event, winner, `order ${orderId}: '${event}' was told that it is done`);
      }
    }
    assert.equal(wins.pay + wins.cancel, ORDERS);
    const refunds = `select count(*)::int as count from payments where status = 'refunded'`;
    const [back] = await world.sql<{ count: number }>('payments', refunds);
    console.log(`    ${wins.pay} paid, ${wins.cancel} cancelled, ${back?.count} of them paid and refunded; ${ms} ms`);
    const { differences, figures } = await world.books();
    assert.deepEqual(differences, []);
    assert.deepEqual(
      [figures.waiting, figures.cancelled, figures.capturedCents - figures.refundedCents],
      [wins.pay, wins.cancel, wins.pay * 2_500],
    );
  });
});
