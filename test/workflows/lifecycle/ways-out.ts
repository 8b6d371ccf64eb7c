import assert from 'node:assert/strict';
import { TransitionUndone } from '../../../src/kit/client/index.js';
import { settle } from '../../../src/kit/worker/settle.js';
import { operation } from '../../activities/support.js';
import { until } from '../../support/until.js';
import { paths, said, type LifecycleWorld } from './world.js';

/** Orders that something has befallen, and how each goes on: none stands still. */
export function waysOut(open: () => LifecycleWorld): void {
  const alarmed = (orderId: string) =>
    open()
      .alarms.filter(({ gid }) => gid === `order-${orderId}`)
      .map(({ kind }) => kind);
  const skip = (time: string) => open().environment.sleep(time as '1 hour');
  const packed = async (orderId: string, path = paths.WAIT_DELIVER ?? []) => {
    await open().open(orderId, await open().coupon(orderId));
    for (const event of path) await open().send(orderId, event, said);
  };

  it('whose first answer of the warehouse was lost hears of all that was done there, once it is told again', async () => {
    const world = open();
    await world.open('lost');
    await world.send('lost', 'pay');
    await world.deliver({ lost: 'warehouse' });
    await world.work('lost', 'pick');
    await world.work('lost', 'picked');
    await world.deliver();
    await until(() => alarmed('lost').length === 2);
    assert.deepEqual([(await world.view('lost')).state, alarmed('lost')], ['PAID', ['event-refused', 'event-refused']]);
    await skip('61 minutes');
    await until(async () => (await world.deliver()) > 0);
    await world.at('lost', 'PAID.WAIT_PACK');
    // Or a person says it in the warehouse's place.
    await world.open('said');
    await world.send('said', 'pay');
    assert.equal((await world.send('said', 'received', said)).to, 'PAID.WAIT_PICK');
    assert.deepEqual(await world.differences(), []);
  });

  it('of which a message of the warehouse is lost refuses what follows it, says why, and goes on once it is said or sent again', async () => {
    const world = open();
    const ways = [
      ['gap-said', () => world.send('gap-said', 'pick', said)],
      ['gap-sent', () => world.deliver({ again: true })],
    ] as const;
    for (const [orderId, mend] of ways) {
      await world.open(orderId);
      await world.send(orderId, 'pay');
      await world.delivered(orderId, 'PAID.WAIT_PICK');
      await world.work(orderId, 'pick');
      await world.deliver({ lost: 'warehouse' });
      await world.work(orderId, 'picked');
      await world.deliver();
      await until(() => alarmed(orderId).length === 1);
      const { state, refused } = await world.view(orderId);
      assert.deepEqual(
        [state, refused.map(({ id, event, state: at }) => [id, event, at])],
        ['PAID.WAIT_PICK', [[`job-${orderId}/picked`, 'picked', 'PAID.WAIT_PICK']]],
      );
      const told = world.alarms.find(({ gid }) => gid === `order-${orderId}`);
      assert.equal(told?.kind, 'event-refused');
      assert.match(told.message, /a message was refused: .*'picked' is illegal in PAID\.WAIT_PICK; legal are: pick$/);
      await mend();
      await world.at(orderId, 'PAID.PICKING');
      // What was refused stays so, though it comes again: somebody says it too.
      await world.deliver({ again: true });
      await world.at(orderId, 'PAID.PICKING');
      assert.equal((await world.send(orderId, 'picked', said)).to, 'PAID.WAIT_PACK');
      await world.work(orderId, 'pack');
      await world.delivered(orderId, 'PAID.PACKING');
      await world.work(orderId, 'packed');
      await world.delivered(orderId, 'WAIT_DELIVER');
      assert.equal(alarmed(orderId).length, 1);
    }
    assert.deepEqual(await world.differences(), []);
  });

  it('whose refund is refused says so, tries it again each day, and can be refunded meanwhile, or by hand', async () => {
    const world = open();
    const coupon = async (orderId: string) => {
      const text = `select status from coupons where code = 'welcome-of-' || $1`;
      return (await world.test.sql<{ status: string }>('coupons', text, [orderId]))[0]?.status;
    };
    world.test.faults.set({ function: 'payments.refund.action', kind: 'refuse', gid: 'order-refused*' });
    await packed('refused-1');
    await packed('refused-2', paths['DELIVERED.ARRIVED']);
    for (const [orderId, state] of [
      ['refused-1', 'REFUNDING.REFUSED'],
      ['refused-2', 'REFUNDING.KEPT_REFUSED'],
    ] as const) {
      await world.send(orderId, 'refund', said);
      await world.at(orderId, state);
    }
    assert.deepEqual(await world.differences(), []);
    await skip('2 minutes');
    await until(() => alarmed('refused-1').length === 1 && alarmed('refused-2').length === 1);
    await skip('25 hours');
    await until(async () => (await world.view('refused-1')).version > 9);
    const again = await world.at('refused-1', 'REFUNDING.REFUSED');
    assert.deepEqual(
      again.transitions.slice(-4).map(({ event, requestId }) => [event, requestId.replace(/\.\d+$/, '')]),
      [
        ['refund', 'refund'],
        ['refundRefused', 'REFUNDING'],
        ['refund', 'refundAgain'],
        ['refundRefused', 'REFUNDING'],
      ],
    );
    await skip('2 minutes');
    await until(() => alarmed('refused-1').length === 2);
    assert.deepEqual([...new Set([...alarmed('refused-1'), ...alarmed('refused-2')])], ['refund-refused']);
    world.test.faults.clear();
    await world.send('refused-1', 'refund');
    await world.at('refused-1', 'REFUNDED');
    assert.equal(await coupon('refused-1'), 'AVAILABLE');
    // Somebody has seen to it, and says so: only then.
    const { payments, coupons } = world.test.shop.participants;
    const byHand = { orderId: 'refused-2', customerId: 'of-refused-2' };
    const code = 'welcome-of-refused-2';
    await payments.refund.action(operation('payments.refund.action', 'by-hand-refused'), byHand);
    await coupons.giveBack.action(operation('coupons.giveBack.action', 'by-hand-refused'), {
      code,
      orderId: 'refused-2',
    });
    await assert.rejects(world.send('refused-2', 'refunded'), /say who asks for it and why/);
    assert.equal((await world.send('refused-2', 'refunded', said)).to, 'REFUNDED');
    await world.deliver();
    assert.deepEqual(await world.differences(), []);
  });

  it('whose machine is terminated is not given more time to pay', async () => {
    const world = open();
    const { client } = world;
    await world.open('ended', await world.coupon('ended'));
    const [before] = (await world.at('ended', 'WAIT_PAY')).deadlines;
    await skip('29 minutes');
    const handle = client.workflow.getHandle('order-ended');
    const { runId } = await handle.describe();
    await handle.terminate('a test');
    assert.equal(await settle(client, { workflowId: 'order-ended', runId }), true);
    const [after] = (await world.at('ended', 'WAIT_PAY')).deadlines;
    assert.ok(before && after && after.at <= before.at, `${before?.at} has become ${after?.at}`);
    await skip('2 minutes');
    const { state } = await world.machines.result('order-ended', { wait: '30 seconds' });
    assert.deepEqual([state, await world.differences()], ['CANCELLED', []]);
  });

  it('whose deadline comes to nothing is due again until it does, and people are told once', async () => {
    const world = open();
    world.test.faults.set({ function: 'orders.move.action', kind: 'refuse', gid: 'order-late*' });
    await world.open('late', await world.coupon('late'));
    for (const minutes of [31, 16, 16]) await skip(`${minutes} minutes`);
    const refusals = 'deadline-failed';
    await until(() => alarmed('late').includes(refusals));
    assert.deepEqual([(await world.view('late')).state, alarmed('late')], ['WAIT_PAY', [refusals]]);
    world.test.faults.clear();
    await skip('16 minutes');
    await world.at('late', 'CANCELLED');
    assert.deepEqual([alarmed('late'), await world.differences()], [[refusals], []]);
  });

  it('whose payment was given back, as its answer was lost, says that it was not paid', async () => {
    const world = open();
    await world.open('back', await world.coupon('back'));
    // The move is refused after the money was taken.
    world.test.faults.set({ function: 'orders.move.action', kind: 'refuse', gid: 'order-back*', attempts: 1 });
    await assert.rejects(world.send('back', 'pay', { requestId: 'first' }), TransitionUndone);
    world.test.faults.clear();
    await assert.rejects(
      world.send('back', 'pay', { requestId: 'second' }),
      (error: Error) => error instanceof TransitionUndone && /PaymentGivenBack: .* order anew/.test(error.message),
    );
    await world.send('back', 'cancel');
    assert.deepEqual([(await world.at('back', 'CANCELLED')).final, await world.differences()], [true, []]);
  });
}
