import assert from 'node:assert/strict';
import type { ServiceName } from '../../src/activities/index.js';
import { advance, operation, orderOf, recall, refused, stockTestShop, type TestShop } from './support.js';

const ORDER = orderOf('o1');
const ASKED = { orderId: 'o1', reason: 'scratched', actor: 'ann' };

describe('the services of a recall', () => {
  let test: TestShop;
  stockTestShop(
    (opened) => (test = opened),
    async () => {
      await advance(test, ORDER);
    },
  );

  const row = async (service: ServiceName, text: string) => (await test.sql<Record<string, unknown>>(service, text))[0];
  const order = () => row('orders', `select status, recalled_at is not null as recalled from orders`);
  const services = () => test.shop.participants;

  describe('orders', () => {
    const mark = (gid = 'recall-o1', orderId = 'o1') =>
      services().orders.recall.action(operation('orders.recall.action', gid), { orderId });
    const unmark = (gid = 'recall-o1') =>
      services().orders.recall.compensation(operation('orders.recall.compensation', gid), { orderId: 'o1' });

    it('mark a placed order once, and take the mark back', async () => {
      assert.deepEqual([await mark(), await mark()], [{ customerId: 'c1' }, { customerId: 'c1' }]);
      assert.deepEqual(await order(), { status: 'placed', recalled: true });
      await unmark();
      assert.deepEqual(await order(), { status: 'placed', recalled: false });
    });

    it('refuse to mark what is not placed, or was marked before', async () => {
      await mark();
      assert.equal(await refused(mark('another'), 'AlreadyRecalled'), 'order o1 was recalled before');
      await advance(test, orderOf('o2'), 'created');
      assert.equal(
        await refused(mark('recall-o2', 'o2'), 'OrderNotPlaced'),
        'order o2 cannot be recalled: it is created',
      );
      assert.match(await refused(mark('recall-no', 'no'), 'OrderNotPlaced'), /no cannot be .*: it is unknown to the/);
      assert.match(await refused(mark('recall-', ''), 'InvalidInput'), /orderId is ""/);
    });

    it('do not take back the mark of a recall that has ended', async () => {
      await recall(test, ORDER);
      await recall(test, ORDER, 'lost');
      await assert.rejects(unmark(), /the recall of order o1 cannot be taken back: it is lost/);
    });

    it('end a recalled order as returned once, with its points back, or as lost, without', async () => {
      const takeBack = (gid = 'returned-o1') =>
        services().orders.takeBack.action(operation('orders.takeBack.action', gid), {
          orderId: 'o1',
          customerId: 'c1',
        });
      const lose = () => services().orders.lose.action(operation('orders.lose.action', 'lost-o1'), { orderId: 'o1' });
      const points = async () => (await row('orders', `select points from customers where customer_id = 'c1'`))?.points;
      assert.equal(await refused(takeBack('early'), 'OrderNotRecalled'), 'order o1 is not recalled: it is placed');
      await recall(test, ORDER);
      assert.equal(await points(), '971');
      for (let time = 1; time <= 2; time++) assert.deepEqual(await takeBack(), { pointsReturned: 29 });
      assert.equal(await points(), '1000');
      assert.deepEqual(await order(), { status: 'returned', recalled: true });
      assert.equal(await refused(lose(), 'OrderNotRecalled'), 'order o1 is not recalled: it is returned');
      await refused(takeBack('twice'), 'OrderNotRecalled');
      assert.equal(await points(), '1000');
    });

    it('say how an order is', async () => {
      const state = (orderId: string) => test.shop.plain['orders.state']({ orderId });
      assert.deepEqual(await state('o1'), { status: 'placed', recalled: false });
      await recall(test, ORDER);
      assert.deepEqual(await state('o1'), { status: 'placed', recalled: true });
      assert.equal(await state('none'), null);
    });
  });

  describe('shipping', () => {
    const ask = (gid = 'recall-o1', more = {}) =>
      services().shipping.recall.action(operation('shipping.recall.action', gid), { ...ASKED, ...more });
    const takeBack = (gid: string) =>
      services().shipping.takeBack.action(operation('shipping.takeBack.action', gid), { orderId: 'o1' });
    const lose = (gid: string) => services().shipping.lose.action(operation('shipping.lose.action', gid), ASKED);
    const recalls = () => row('shipping', 'select status, reason, actor, ended_at is null as open from recalls');

    it('asks the carrier for a parcel once', async () => {
      for (let time = 1; time <= 2; time++) assert.deepEqual(await ask(), { customerId: 'c1' });
      assert.deepEqual(await recalls(), { status: 'requested', reason: 'scratched', actor: 'ann', open: true });
      assert.match(await refused(ask('another'), 'AlreadyRecalled'), /the parcel of order o1 was recalled before/);
      assert.equal(await refused(ask('none', { orderId: 'no' }), 'NotDispatched'), 'no parcel of order no has left');
      assert.match(await refused(ask('empty', { reason: ' ' }), 'InvalidInput'), /reason is " ": must be one line/);
    });

    it('moves a recall once, to returned or to lost, whoever is first: 20 at once', async () => {
      await ask();
      const answers = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? takeBack(`t-${n}`) : lose(`l-${n}`)));
      const outcomes = await Promise.allSettled(answers);
      const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as Error] : []));
      assert.equal(failures.length, 19);
      const status = String((await recalls())?.status);
      for (const { message } of failures) assert.equal(message, `the parcel of order o1 was ${status} before`);
      const logged = await test.sql('shipping', 'select 1 from amends_log');
      assert.equal(logged.length, status === 'lost' ? 1 : 0);
    });

    it('tells whose parcel came back, and what is in it; one that was never recalled cannot', async () => {
      assert.equal(await refused(takeBack('early'), 'NotRecalled'), 'the parcel of order o1 was not recalled');
      await refused(lose('early'), 'NotRecalled');
      await ask();
      assert.deepEqual(await takeBack('returned-o1'), { customerId: 'c1', sku: 'cd' });
      assert.equal(await test.shop.plain['shipping.recallState']({ orderId: 'o1' }), 'returned');
      assert.equal(await test.shop.plain['shipping.recallState']({ orderId: 'none' }), null);
    });

    it('logs a lost parcel: which amends could not be done, who said so, and why', async () => {
      await ask();
      await lose('lost-o1');
      assert.deepEqual(await row('shipping', 'select order_id, amends, who, why from amends_log'), {
        ...{ order_id: 'o1', amends: 'recall', who: 'ann', why: 'scratched' },
      });
    });
  });

  it('payments refund an order once, and only one that is paid', async () => {
    const refund = (gid = 'returned-o1', orderId = 'o1') =>
      services().payments.refund.action(operation('payments.refund.action', gid), { orderId, customerId: 'c1' });
    for (let time = 1; time <= 2; time++) assert.deepEqual(await refund(), { refunded: 2_933 });
    assert.deepEqual(await row('payments', `select balance from wallets where customer_id = 'c1'`), {
      balance: '10000',
    });
    assert.match(await refused(refund('another'), 'NotCaptured'), /order o1 cannot be refunded: it is refunded/);
    assert.match(await refused(refund('none', 'no'), 'NotCaptured'), /order no cannot be refunded: it is not there/);
  });

  it('inventory takes the units of an order back once', async () => {
    const release = (gid = 'returned-o1') =>
      services().inventory.release.action(operation('inventory.release.action', gid), ['o1', 'cd']);
    for (let time = 1; time <= 2; time++) assert.deepEqual(await release(), { released: 2 });
    assert.deepEqual(await row('inventory', 'select available from stock'), { available: '100' });
    assert.match(await refused(release('another'), 'NotReserved'), /order o1 cannot be released: it is released/);
  });

  describe('notifications', () => {
    const told = async () =>
      (await test.sql<{ kind: string }>('notifications', 'select kind from notifications order by kind')).map(
        ({ kind }) => kind,
      );
    const to = { orderId: 'o1', customerId: 'c1' };

    it('correct an order that was recalled once', async () => {
      const correct = (gid: string) =>
        services().notifications.orderRecalled.action(operation('notifications.orderRecalled.action', gid), to);
      for (let time = 1; time <= 2; time++) assert.deepEqual(await correct('recall-o1'), { orderId: 'o1' });
      await refused(correct('another'), 'AlreadyNotified');
      assert.deepEqual(await told(), ['order-placed', 'order-recalled']);
    });

    it('correct an announcement once, and what was never announced not at all', async () => {
      const { announce } = services().notifications;
      const of = (op: string, gid: string) => operation(`notifications.announce.${op}`, gid);
      await announce.amends(of('amends', 'barred'), to);
      await assert.rejects(announce.action(of('action', 'barred'), to), { name: 'Suspended' });
      assert.deepEqual(await told(), ['order-placed']);
      await announce.action(of('action', 'order-o1'), to);
      for (let time = 1; time <= 2; time++) await announce.amends(of('amends', 'order-o1'), to);
      assert.deepEqual(await told(), ['order-placed', 'order-received', 'order-undone']);
    });
  });
});
