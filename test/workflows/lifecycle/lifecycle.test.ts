import assert from 'node:assert/strict';
import { orderLifecycleMachine } from '../../../src/contracts/order-lifecycle.js';
import { IllegalTransition, TransactionCompensated, TransitionUndone } from '../../../src/kit/client/index.js';
import { until } from '../../support/until.js';
import { waysOut } from './ways-out.js';
import { LifecycleWorld, orderWith, paths, said, type Event } from './world.js';

describe('the life of an order', function () {
  this.timeout(120_000);
  let world: LifecycleWorld;
  before(async () => {
    world = await LifecycleWorld.open();
  });
  after(() => world.close());

  const walk = async (orderId: string, events: readonly Event[]) => {
    for (const event of events) await world.send(orderId, event, said);
  };
  const row = async (orderId: string) => {
    const text = `select concat_ws('.', status, sub_state) as state, version from orders where order_id = $1`;
    const [found] = await world.test.sql<{ state: string; version: number }>('orders', text, [orderId]);
    return found;
  };
  const alarmed = (orderId: string) =>
    world.alarms.filter(({ gid }) => gid === `order-${orderId}`).map(({ kind }) => kind);
  const skip = (time: string) => world.environment.sleep(time as '1 hour');
  const coupon = async (code = '') =>
    (await world.test.sql<{ status: string }>('coupons', 'select status from coupons where code = $1', [code]))[0]
      ?.status;

  it('is lived through in 30 days: paid, picked, packed, shipped and arrived, and completed by itself', async () => {
    const with433 = await world.coupon('life');
    await world.open('life', with433);
    assert.equal(await coupon(with433.coupon), 'HELD');
    await skip('29 minutes');
    const paid = await world.send('life', 'pay', { requestId: 'pay-1' });
    assert.deepEqual(paid.result, { paymentId: 'payment-life', paid: 2_500 });
    assert.deepEqual(await world.send('life', 'pay', { requestId: 'pay-1' }), paid);
    assert.equal(await coupon(with433.coupon), 'USED');
    await world.delivered('life', 'PAID.WAIT_PICK');
    for (const [step, state] of [
      ['pick', 'PAID.PICKING'],
      ['picked', 'PAID.WAIT_PACK'],
      ['pack', 'PAID.PACKING'],
      ['packed', 'WAIT_DELIVER'],
    ] as const) {
      await skip('1 hour');
      await world.work('life', step);
      await world.delivered('life', state);
    }
    await skip('3 hours');
    await world.send('life', 'ship');
    await world.deliver();
    await skip('5 days');
    await world.send('life', 'deliver');
    assert.deepEqual(await world.differences(), []);
    const { deadlines } = await world.view('life');
    assert.deepEqual(
      deadlines.map(({ name }) => name),
      ['uncompleted'],
    );
    await skip('10 days');
    const { state, transitions } = await world.machines.result('order-life', { wait: '30 seconds' });
    assert.equal(state, 'COMPLETED');
    assert.deepEqual(transitions.at(-1)?.result, { pointsEarned: 25 });
    await skip('15 days');
    await assert.rejects(world.send('life', 'pay'), IllegalTransition);
    assert.deepEqual([await world.differences(), alarmed('life')], [[], []]);
    const [job] = await world.test.sql<{ state: string }>(
      'warehouse',
      `select state from pick_jobs where order_id = 'life'`,
    );
    assert.equal(job?.state, 'SHIPPED');
  });

  it('that is not paid within 30 minutes is cancelled: stock, points and coupon go back', async () => {
    const with433 = await world.coupon('unpaid');
    await world.open('unpaid', with433);
    await skip('29 minutes');
    assert.equal((await world.view('unpaid')).state, 'WAIT_PAY');
    await skip('2 minutes');
    const { transitions } = await world.machines.result('order-unpaid', { wait: '30 seconds' });
    const [{ event, to, result } = {}] = transitions;
    assert.deepEqual([event, to, result], ['cancel', 'CANCELLED', { released: 2 }]);
    assert.equal(await coupon(with433.coupon), 'AVAILABLE');
    assert.deepEqual(await world.differences(), []);
  });

  it('that cannot be opened leaves nothing, and says why', async () => {
    const with433 = await world.coupon('short');
    const refused = [
      ['short', { ...with433, units: 100_000 }, /OutOfStock/],
      ['nobody', { customerId: 'nobody' }, /UnknownCustomer/],
      ['none', { coupon: 'nothing-such' }, /UnknownCoupon/],
    ] as const;
    for (const [orderId, order, why] of refused) {
      await world.machines.start(`order-${orderId}`, orderWith(orderId, order));
      const ended = world.machines.result(`order-${orderId}`, { wait: '30 seconds' });
      await assert.rejects(ended, (error: Error) => error instanceof TransactionCompensated && why.test(error.message));
    }
    assert.equal(await coupon(with433.coupon), 'AVAILABLE');
    assert.deepEqual(await world.differences(), []);
  });

  it('whose payment is refused waits on, and can be paid again', async () => {
    await world.open('poor', { ...(await world.coupon('poor')), amount: 20_000 });
    await assert.rejects(
      world.send('poor', 'pay', { requestId: 'first' }),
      (error: Error) => error instanceof TransitionUndone && error.message.includes('InsufficientFunds'),
    );
    assert.deepEqual([(await row('poor'))?.state, await world.differences()], ['WAIT_PAY', []]);
    // There is money now.
    await world.test.sql(
      'payments',
      `insert into wallet_entries (customer_id, kind, amount) values ('of-poor', 'deposit', 50000)`,
    );
    assert.equal((await world.send('poor', 'pay')).to, 'PAID');
  });

  it('of which the warehouse does not say that it has received it is told to it again each hour; then people are told', async () => {
    await world.open('unheard');
    await world.send('unheard', 'pay');
    await world.deliver({ lost: 'all' });
    const told = async () => {
      const text = `select count(*)::int as count from backstitch.outbox where key = 'unheard' and topic = 'order.paid'`;
      return (await world.test.sql<{ count: number }>('orders', text))[0]?.count;
    };
    for (let hour = 1; hour <= 5; hour++) {
      await skip('61 minutes');
      await until(async () => (await told()) === 1 + hour);
      assert.deepEqual(alarmed('unheard'), []);
    }
    await skip('61 minutes');
    await until(() => alarmed('unheard').length > 0);
    assert.deepEqual([await told(), alarmed('unheard')], [6, ['deadline-passed']]);
    // It has heard of it at last, five times: it is one job.
    await world.delivered('unheard', 'PAID.WAIT_PICK');
    // Nobody picks it: people are told once that it has not left, eight hours after.
    await skip('7 hours');
    assert.equal(alarmed('unheard').length, 1);
    await skip('2 hours');
    await until(() => alarmed('unheard').length > 1);
    assert.deepEqual(alarmed('unheard'), ['deadline-passed', 'order-not-out']);
    assert.equal((await world.view('unheard')).state, 'PAID.WAIT_PICK');
    assert.deepEqual(await world.differences(), []);
  });

  it('that is packed can be cancelled, or refunded: money, stock, points and coupon go back, and the warehouse stops', async () => {
    for (const event of ['cancel', 'refund'] as const) {
      const orderId = `back-${event}`;
      const with433 = await world.coupon(orderId);
      await world.open(orderId, with433);
      await walk(orderId, paths.WAIT_DELIVER ?? []);
      await world.send(orderId, event, said);
      await world.at(orderId, event === 'cancel' ? 'CANCELLED' : 'REFUNDED');
      await world.deliver();
      assert.equal(await coupon(with433.coupon), 'AVAILABLE');
      const text = 'select state from pick_jobs where order_id = $1';
      const [job] = await world.test.sql<{ state: string }>('warehouse', text, [orderId]);
      assert.equal(job?.state, 'STOPPED');
    }
    assert.deepEqual(await world.differences(), []);
  });

  it('that has left is refunded when its parcel came back, or though it did not; one that is lost waits for people', async () => {
    const ends = [
      ['recall-returned', ['recall', 'returned'], 'released'],
      ['kept', ['refund'], 'reserved'],
      ['recall-lost', ['recall', 'lost', 'refund'], 'reserved'],
    ] as const;
    for (const [orderId, events, stock] of ends) {
      await world.open(orderId, await world.coupon(orderId));
      await walk(orderId, paths['DELIVERED.ARRIVED'] ?? []);
      await assert.rejects(world.send(orderId, 'recall'), (error: Error) => error.message.includes('say who'));
      await walk(orderId, events);
      await world.at(orderId, 'REFUNDED');
      const text = 'select status from reservations where order_id = $1';
      const [reservation] = await world.test.sql<{ status: string }>('inventory', text, [orderId]);
      assert.equal(reservation?.status, stock);
    }
    assert.deepEqual(await world.differences(), []);
    // The carrier says nothing for 14 days; it has lost it, and nobody decides for a day.
    await world.open('slow');
    await walk('slow', paths['REFUNDING.RECALLED'] ?? []);
    await skip('15 days');
    await until(() => alarmed('slow').length === 1);
    await world.send('slow', 'lost', said);
    await skip('25 hours');
    await until(() => alarmed('slow').length === 2);
    assert.deepEqual(alarmed('slow'), ['parcel-not-returned', 'parcel-lost']);
    assert.deepEqual(await world.differences(), []);
  });

  it('has deadlines that a person can move, who is kept', async () => {
    await world.open('moved');
    const moving = { name: 'unpaid', byMs: 3_600_000, actor: 'ann', reason: 'the bank is closed' } as const;
    await world.machines.moveDeadline('order-moved', moving);
    await skip('80 minutes');
    const { state, moved } = await world.view('moved');
    assert.deepEqual(
      [state, moved.map(({ actor, reason }) => [actor, reason])],
      ['WAIT_PAY', [['ann', 'the bank is closed']]],
    );
    await skip('15 minutes');
    await world.at('moved', 'CANCELLED');
  });

  it('comes to the same though the warehouse and the shop both move it, and all messages come twice', async () => {
    await world.open('both');
    await world.send('both', 'pay');
    await world.delivered('both', 'PAID.WAIT_PICK');
    await world.work('both', 'pick');
    // The shop is faster than the message.
    await world.send('both', 'pick');
    await world.send('both', 'picked');
    await world.deliver();
    await world.deliver({ again: true });
    await world.at('both', 'PAID.WAIT_PACK');
    await world.send('both', 'pack');
    await world.deliver();
    await world.work('both', 'packed');
    await world.delivered('both', 'WAIT_DELIVER');
    assert.deepEqual([(await world.view('both')).refused, alarmed('both')], [[], []]);
    assert.deepEqual(await world.differences(), []);
  });

  waysOut(() => world);

  it('refuses each event that is illegal in a state, names what is legal, and changes nothing', async () => {
    const { states, events } = orderLifecycleMachine;
    // The others are passed through: what begins there moves the order on.
    const passed: readonly string[] = ['REFUNDING', 'REFUNDING.KEPT', 'REFUNDING.REFUSED', 'REFUNDING.KEPT_REFUSED'];
    const resting = states.filter((state) => !passed.includes(state));
    assert.deepEqual(Object.keys(paths).sort(), resting.toSorted());
    let count = 0;
    await Promise.all(
      Object.entries(paths).map(async ([state, path]) => {
        const orderId = `at-${state}`;
        await world.open(orderId, { customerId: 'c2' });
        await walk(orderId, path);
        await world.at(orderId, state);
        const before = await row(orderId);
        const legal = orderLifecycleMachine.legalIn(state);
        for (const event of events as Event[]) {
          if (legal.includes(event)) continue;
          count++;
          const requestId = `illegal-${event}`;
          await assert.rejects(world.send(orderId, event, { ...said, requestId }), (error: Error) => {
            assert.ok(error instanceof IllegalTransition, `${event} in ${state}: ${error.name}: ${error.message}`);
            assert.match(error.message, new RegExp(`'${event}' is illegal in ${state.replace('.', '\\.')}; `));
            assert.doesNotMatch(error.message, /\n/);
            for (const each of legal) assert.ok(error.message.includes(each), error.message);
            return true;
          });
        }
        assert.deepEqual(await row(orderId), before);
      }),
    );
    assert.ok(count > 150, `${count} were refused`);
    await world.deliver();
    assert.deepEqual(await world.differences(), []);
  });
});
