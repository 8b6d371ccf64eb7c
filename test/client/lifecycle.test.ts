import assert from 'node:assert/strict';
import { until } from '../support/until.js';
import { openClientWorld, type ClientWorld } from './support.js';

describe('the command line of orders with a lifecycle', function () {
  this.timeout(240_000);
  let world: ClientWorld;
  before(async () => {
    world = await openClientWorld();
    const file = await world.ordersFile([{ customerId: 'c1' }, { customerId: 'c2' }]);
    const opened = await world.run(
      'shop',
      'open',
      '--file',
      file,
      '--stock',
      '100',
      '--points',
      '50',
      '--coupon',
      '250',
    );
    assert.match(opened.stdout, /, and a coupon of 2\.50, 100 cd in stock\n$/);
    await world.deliver(['orders', 'warehouse']);
  });
  after(() => world.close());

  const order = (...args: string[]) => world.run('order', ...args);
  const place = (given: object, ...more: string[]) =>
    order(
      'place',
      '--lifecycle',
      '--order',
      JSON.stringify({ customerId: 'c1', units: 1, amount: 1_000, ...given }),
      ...more,
    );
  const becomes = async (id: string, state: string) => {
    await until(async () => (await order('show', id, '--json')).json<{ state: string }>().state === state);
  };

  it('opens an order with a coupon, pays it, has it picked and packed here and at the warehouse, ships it, and completes it', async () => {
    const opened = await place({ orderId: '1', coupon: 'welcome-c1' });
    assert.deepEqual([opened.code, opened.stderr], [0, []]);
    const text =
      /^order 1 was opened: 7\.50 to pay, 2\.50 off by coupon welcome-c1, 10 points spent; it waits for its payment until 20\S+Z: order pay 1\n$/;
    assert.match(opened.stdout, text);
    // Asked again it is the same.
    assert.match((await place({ orderId: '1', coupon: 'welcome-c1' })).stdout, text);
    const early = await order('ship', '1');
    assert.deepEqual([early.code, early.stdout], [1, '']);
    assert.deepEqual(early.stderr, [`order-1: 'ship' is illegal in WAIT_PAY; legal are: pay, cancel`]);
    const moved = await order(
      'deadline',
      '1',
      'unpaid',
      '--by',
      '1h',
      '--reason',
      'the bank is closed',
      '--actor',
      'ann',
    );
    assert.deepEqual([moved.code, moved.stderr], [0, []]);
    assert.match(moved.stdout, /^order 1: deadline unpaid was moved to 20\S+Z\n$/);
    for (let times = 0; times < 2; times++) {
      const paid = await order('pay', '1', '--request-id', 'till-7');
      assert.deepEqual([paid.code, paid.stdout], [0, 'order 1: pay: WAIT_PAY to PAID\n'], paid.stderr.join());
    }
    await becomes('1', 'PAID.WAIT_PICK');
    const steps = [
      [['pick', '1', '--at-warehouse'], 'order 1: pick: PAID.WAIT_PICK to PAID.PICKING\n'],
      [['pick', '1', '--done'], 'order 1: picked: PAID.PICKING to PAID.WAIT_PACK\n'],
      [['pack', '1'], 'order 1: pack: PAID.WAIT_PACK to PAID.PACKING\n'],
      [['pack', '1', '--done'], 'order 1: packed: PAID.PACKING to WAIT_DELIVER\n'],
      [['ship', '1'], 'order 1: ship: WAIT_DELIVER to DELIVERED\n'],
    ] as const;
    for (const [args, said] of steps) {
      const { code, stdout, stderr } = await order(...args);
      assert.deepEqual([code, stdout], [0, said], stderr.join('\n'));
    }
    const shown = await order('show', '1');
    assert.equal(shown.code, 3);
    assert.match(
      shown.stdout,
      /^order 1: DELIVERED\n {2}7\.50 to pay \(2\.50 off by coupon welcome-c1\), 10 points spent\n/,
    );
    assert.match(
      shown.stdout,
      /\n {2}legal: deliver, complete, refund, recall\n {2}deadline uncompleted: 20\S+Z, fires complete\n/,
    );
    assert.match(shown.stdout, /\n {2}deadline unpaid was moved from \S+ to \S+ by ann: the bank is closed\n/);
    assert.equal((await order('deliver', '1')).code, 0);
    const completed = await order('complete', '1', '--json');
    assert.equal(completed.code, 0);
    const { to, result } = completed.json<{ to: string; result: unknown }>();
    assert.deepEqual([to, result], ['COMPLETED', { pointsEarned: 7 }]);
    const { code, stdout } = await order('show', '1', '--mermaid');
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^stateDiagram-v2\n[^]*\n {2}WAIT_PAY --> PAID_none : pay\* \[1\]\n[^]*\n {2}class COMPLETED here\n$/,
    );
    const late = await order('cancel', '1');
    assert.deepEqual(
      [late.code, late.stderr],
      [1, [`order-1: 'cancel' is illegal in COMPLETED; nothing is legal, as it is final`]],
    );
  });

  it('says why an order was not opened, or not paid, and that one was cancelled', async () => {
    const short = await place({ orderId: '2', units: 1_000 });
    assert.deepEqual([short.code, short.stdout], [1, '']);
    assert.match(short.stderr.join('\n'), /OutOfStock: \d+ cd are left, order 2 needs 1000/);
    const used = await place({ orderId: '3', coupon: 'welcome-c1' });
    assert.equal(used.code, 1);
    assert.match(used.stderr.join('\n'), /CouponNotAvailable: coupon welcome-c1 is USED/);
    assert.equal((await place({ orderId: '4', customerId: 'c2', amount: 1_000_000 })).code, 0);
    const poor = await order('pay', '4');
    assert.deepEqual([poor.code, poor.stdout], [1, '']);
    assert.match(poor.stderr.join('\n'), /InsufficientFunds: customer c2 has 100\.00, order 4 costs 10000\.00/);
    assert.equal(
      (await order('cancel', '4', '--reason', 'too dear')).stdout,
      'order 4: cancel: WAIT_PAY to CANCELLED\n',
    );
    assert.equal((await order('show', '4')).code, 1);
  });

  it('recalls an order, whose parcel comes back: it is refunded', async () => {
    assert.equal((await place({ orderId: '5', customerId: 'c2', coupon: 'welcome-c2' })).code, 0);
    assert.equal((await order('pay', '5')).code, 0);
    await becomes('5', 'PAID.WAIT_PICK');
    for (const args of [
      ['pick', '5'],
      ['pick', '5', '--done'],
      ['pack', '5'],
      ['pack', '5', '--done'],
      ['ship', '5'],
    ]) {
      assert.equal((await order(...args)).code, 0);
    }
    const recalled = await order('recall', '5', '--reason', 'scratched');
    assert.deepEqual([recalled.code, recalled.stdout], [0, 'order 5: recall: DELIVERED to REFUNDING.RECALLED\n']);
    assert.equal((await order('returned', '5')).stdout, 'order 5: returned: REFUNDING.RECALLED to REFUNDING\n');
    await becomes('5', 'REFUNDED');
    const books = await world.run('books');
    assert.equal(books.code, 0, books.stdout);
  });

  it('tells of a transaction that waits for a person', async () => {
    world.faults.set({ function: 'payments.charge.action', kind: 'refuse', gid: 'nobody' });
    assert.equal((await place({ orderId: '6', customerId: 'c2' })).code, 0);
    world.faults.set({ function: 'inventory.release.action', kind: 'refuse', gid: 'order-6*' });
    const stuck = await order('cancel', '6', '--wait', '8s');
    world.faults.clear();
    assert.equal(stuck.code, 4, `${stuck.stdout} ${stuck.stderr.join()}`);
    assert.match(stuck.stdout, /^order 6: order-6\.cancel\.0 waits for a person: desk show order-6\.cancel\.0\n$/);
    const shown = await order('show', '6');
    assert.equal(shown.code, 4);
    assert.match(shown.stdout, /✗ order-6\.cancel\.0 waits for a person/);
    const by = ['--actor', 'ann', '--reason', 'mended'];
    const skipped = await world.run('desk', 'retry', 'order-6.cancel.0', ...by);
    assert.equal(skipped.code, 0, skipped.stderr.join('\n'));
  });

  it('leaves nothing for the reconciliation to find, in whatever state its orders are', async () => {
    const found = await world.run('reconcile', '--young', '1ms', '--json');
    const { findings } = found.json<{ findings: { class: string; key: string; detail: string }[] }>();
    assert.deepEqual(findings, [], found.stderr.join('\n'));
    assert.equal(found.code, 0);
  });

  it('refuses what makes no sense in one line', async () => {
    const saga = JSON.stringify({ orderId: '7', customerId: 'c1', units: 1, amount: 100 });
    assert.equal((await order('place', '--order', saga)).code, 0);
    const runs: [string[], number, RegExp][] = [
      [
        ['place', '--lifecycle', '--order', saga, '--choreographed'],
        2,
        /--lifecycle.*--choreographed|--choreographed.*--lifecycle/,
      ],
      [['place', '--lifecycle'], 2, /takes one order/],
      [['place', '--lifecycle', '--order', '{"orderId":"8"}'], 2, /customerId/],
      [['place', '--lifecycle', '--order', saga], 2, /order-7 was started before/],
      [['deadline', '1', 'unpaid', '--reason', 'x'], 2, /--to TIME or --by DURATION/],
      [['deadline', '5', 'unpaid', '--by', '1h', '--reason', 'x'], 2, /order-5/],
      [['ship', 'nothing-such'], 2, /there is no order nothing-such with a lifecycle/],
      [['ship', '7'], 2, /there is no order 7 with a lifecycle/],
    ];
    for (const [args, code, why] of runs) {
      const run = await order(...args);
      assert.deepEqual([run.code, run.stdout], [code, ''], `${args.join(' ')}: ${run.stderr.join()}`);
      assert.match(run.stderr.join('\n'), why);
    }
  });
});
