import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { orderGid, type PlaceOrderInput } from '../../src/contracts/place-order.js';
import { placeOrderTransaction, placeOrderTccTransaction } from '../../src/contracts/transactions.js';
import { GidConflict, TransactionCompensated } from '../../src/kit/client/index.js';
import { settle } from '../../src/kit/worker/settle.js';
import { TRANSACTION_QUERY, type TransactionView } from '../../src/kit/workflow/index.js';
import { ShopWorld } from './support.js';

describe('an order by try, confirm and cancel', function () {
  this.timeout(120_000);
  const world = new ShopWorld(
    'payments.freeze.try:die-after-commit@order-lost-*',
    'inventory.freeze.try:fail@order-lost-*',
    'orders.draft.confirm:die-after-commit=2@order-lost-*',
    'payments.freeze.confirm:fail-worked=2@order-lost-*',
    'inventory.freeze.confirm:die-after-commit@order-lost-*',
    'shipping.dispatch.action:die-after-commit@order-lost-*',
    'notifications.orderPlaced.action:fail=2@order-lost-*',
    'payments.freeze.cancel:die-after-commit=2@order-short-*',
    'orders.draft.cancel:fail-worked=2@order-short-*',
    'inventory.freeze.confirm:hang@order-held-*',
    'shipping.dispatch.action:hang=1@order-waits-*',
  );
  const place = (order: PlaceOrderInput) => world.transactions.of(placeOrderTccTransaction)(order);
  const orderOf = (name: string, more: Partial<PlaceOrderInput> = {}): PlaceOrderInput => {
    return { orderId: `${name}-${randomUUID().slice(0, 8)}`, customerId: 'c1', units: 2, amount: 2_933, ...more };
  };
  const figures = async () => {
    const [wallet] = await world.sql<Record<string, string>>(
      'payments',
      `select balance, frozen from wallets where customer_id = 'c1'`,
    );
    const [stock] = await world.sql<Record<string, string>>('inventory', `select available, frozen from stock`);
    return [...Object.values(wallet ?? {}), ...Object.values(stock ?? {})].map(Number);
  };
  const begin = async (order: PlaceOrderInput) => {
    const { gid } = await world.transactions.of(placeOrderTccTransaction).start(order);
    return world.client.workflow.getHandle(gid);
  };
  const until = async (gid: string, holds: (view: TransactionView) => boolean) => {
    while (!holds(await world.client.workflow.getHandle(gid).query<TransactionView>(TRANSACTION_QUERY)));
  };
  afterEach('the books balance', async () => {
    assert.deepEqual((await world.books()).differences, []);
  });

  for (const [what, name] of [
    ['takes the money, the units and the points, ships, and tells the customer', 'plain'],
    ['does so once, whatever reply is lost', 'lost'],
  ] as const) {
    it(what, async () => {
      const [balance = 0, , available = 0] = await figures();
      const order = orderOf(name);
      const { orderId, shipmentId, pointsSpent } = await place(order);
      assert.deepEqual([orderId, shipmentId, pointsSpent], [order.orderId, `shipment-${orderId}`, 29]);
      assert.deepEqual(await figures(), [balance - 2_933, 0, available - 2, 0]);
    });
  }

  for (const [what, more, step] of [
    ['a wallet with too little in it', { amount: 2_000_000 }, 'pay'],
    ['too little stock', { units: 100_000 }, 'reserve-stock'],
    ['an unknown customer', { customerId: 'nobody' }, undefined],
  ] as const) {
    it(`changes nothing for ${what}, and says so`, async () => {
      const before = await figures();
      await assert.rejects(place(orderOf('short', more)), (error: TransactionCompensated) => {
        assert.ok(error instanceof TransactionCompensated, String(error));
        if (step !== undefined) assert.equal(error.report.cause.step, step);
        return true;
      });
      assert.deepEqual(await figures(), before);
    });
  }

  it('is one order, whatever its scheme', async () => {
    const order = orderOf('once');
    await place(order);
    await assert.rejects(world.transactions.of(placeOrderTransaction)(order), GidConflict);
  });

  it('ships though it is cancelled when it stands already', async () => {
    const order = orderOf('waits');
    const gid = orderGid(order.orderId);
    const handle = await begin(order);
    await until(gid, ({ branches }) => branches.some(({ branch }) => branch === 'ship'));
    await handle.cancel();
    const placed = (await handle.result()) as { shipmentId: string };
    assert.equal(placed.shipmentId, `shipment-${order.orderId}`);
  });

  it('lets nobody else have what it holds, and ships nothing before all of it is confirmed', async () => {
    const [balance = 0, , available = 0] = await figures();
    const order = orderOf('held');
    const gid = orderGid(order.orderId);
    const handle = await begin(order);
    await until(gid, ({ branches }) =>
      branches.some(({ branch, second }) => branch === 'pay' && second?.state === 'done'),
    );
    assert.deepEqual(await figures(), [balance - 2_933, 0, available - 2, 2]);
    assert.deepEqual(await world.sql('shipping', 'select 1 from shipments where order_id = $1', [order.orderId]), []);
    // It is decided: a run that is ended now is settled forward.
    const ended = await handle.describe();
    await handle.terminate('a test');
    world.mend();
    assert.ok(await settle(world.client, ended));
    await world.client.workflow.getHandle(gid).result();
    assert.deepEqual(await figures(), [balance - 2_933, 0, available - 2, 0]);
  });
});
