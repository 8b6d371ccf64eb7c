import assert from 'node:assert/strict';
import { operation, refused, stockTestShop, type TestShop } from './support.js';

describe('coupons', () => {
  let test: TestShop;
  stockTestShop(
    (opened) => (test = opened),
    () => test.shop.plain['coupons.open']({ customerIds: ['c1', 'c2'], cents: 500 }),
  );

  const of = (name: string, orderId: string) => operation(`coupons.${name}`, `order-${orderId}`);
  const input = (orderId: string, code = 'welcome-c1') => ({ code, orderId });
  const coupons = () => test.shop.participants.coupons;
  const hold = (orderId: string, code?: string, customerId = 'c1') =>
    coupons().hold.action(of('hold.action', orderId), { ...input(orderId, code), customerId });
  const unhold = (orderId: string) =>
    coupons().hold.compensation(of('hold.compensation', orderId), { ...input(orderId), customerId: 'c1' });
  const move = (step: 'use' | 'release' | 'giveBack', orderId: string) =>
    coupons()[step].action(of(`${step}.action`, orderId), input(orderId));
  const state = async () => {
    const text = `select status, order_id from coupons where code = 'welcome-c1'`;
    const [row] = await test.sql<{ status: string; order_id: string | null }>('coupons', text);
    return row && [row.status, row.order_id];
  };

  it('are held, used and given back, or let go, each once; all of it is kept', async () => {
    await test.shop.plain['coupons.open']({ customerIds: ['c1'], cents: 9_999 });
    for (let times = 0; times < 2; times++) assert.deepEqual(await hold('1'), { amountOff: 500 });
    assert.deepEqual(await state(), ['HELD', '1']);
    for (let times = 0; times < 2; times++) await move('use', '1');
    assert.deepEqual(await state(), ['USED', '1']);
    for (let times = 0; times < 2; times++) await move('giveBack', '1');
    assert.deepEqual(await state(), ['AVAILABLE', null]);
    await hold('2');
    await move('release', '2');
    await hold('3');
    await unhold('3');
    // Its undo came first: it can never be held by that order any more.
    await unhold('4');
    await assert.rejects(hold('4'));
    assert.deepEqual(await state(), ['AVAILABLE', null]);
    const moves = await test.sql<{ path: string }>(
      'coupons',
      `select order_id || ' ' || moved_from || ' ' || moved_to as path from coupon_moves order by move_id`,
    );
    assert.deepEqual(
      moves.map(({ path }) => path),
      [
        ...['1 AVAILABLE HELD', '1 HELD USED', '1 USED AVAILABLE', '2 AVAILABLE HELD', '2 HELD AVAILABLE'],
        ...['3 AVAILABLE HELD', '3 HELD AVAILABLE'],
      ],
    );
  });

  it('are refused where they are not there, not the customer’s, not available, or one too many', async () => {
    await refused(hold('1', 'nothing-such'), 'UnknownCoupon');
    await refused(hold('2', 'welcome-c2'), 'NotYourCoupon');
    await hold('3');
    assert.match(await refused(hold('4'), 'CouponNotAvailable'), /is HELD/);
    await refused(move('use', '5'), 'CouponNotTheirs');
    await refused(move('giveBack', '3'), 'CouponNotTheirs');
    await refused(hold('6', 'no code'), 'InvalidInput');
    await test.sql('coupons', `insert into coupons values ('second', 'c1', 100)`);
    await refused(
      coupons().hold.action(operation('coupons.hold.action', 'another'), { ...input('3', 'second'), customerId: 'c1' }),
      'HasCoupon',
    );
    assert.deepEqual(await state(), ['HELD', '3']);
  });

  it('go to one order of many that want one at once', async () => {
    const held = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => hold(`many-${index}`)));
    assert.equal(held.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.equal((await state())?.[0], 'HELD');
  });

  it('move in no other way: the database refuses it', async () => {
    const wrong = [
      `update coupons set status = 'USED', order_id = '1', held_at = now() where code = 'welcome-c1'`,
      `update coupons set status = 'HELD' where code = 'welcome-c1'`,
      `update coupons set amount_off = 0`,
    ];
    for (const text of wrong) await assert.rejects(test.sql('coupons', text), text);
    await hold('1');
    await assert.rejects(test.sql('coupons', `update coupons set order_id = '2' where code = 'welcome-c1'`));
    await assert.rejects(test.sql('coupons', 'delete from coupon_moves'), /append-only/);
  });

  it('that are held for long are told to the scan, by the machine of their order', async () => {
    await hold('1');
    const expired = () =>
      (async () => {
        const found: { gid: string; branch: string }[] = [];
        for await (const hold of test.shop.expired.coupons()) found.push(hold);
        return found;
      })();
    assert.deepEqual(await expired(), []);
    await test.sql('coupons', `update coupons set held_at = now() - interval '1 hour' where status = 'HELD'`);
    assert.deepEqual(
      (await expired()).map(({ gid, branch }) => [gid, branch]),
      [['order-1', 'coupon welcome-c1']],
    );
    await move('use', '1');
    assert.deepEqual(await expired(), []);
  });
});
