import assert from 'node:assert/strict';
import { Client } from '@temporalio/client';
import pg from 'pg';
import type { ReconcileReport } from '../../src/kit/client/index.js';
import { initialAttributes } from '../../src/kit/workflow/attributes.js';
import { until } from '../support/until.js';
import { openClientWorld, type ClientWorld } from './support.js';
import { connectTo } from '../support/connection.js';

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
  /** Runs a statement with the rules of the database switched off. */
  async function damage(service: string, text: string): Promise<void> {
    const database = new pg.Client({ connectionString: world.databaseEnv[`DATABASE_URL_${service.toUpperCase()}`] });
    await database.connect();
    await database.query(`begin; set local session_replication_role = replica; ${text}; commit`);
    await database.end();
  }
  /** A table that gives no answer until its lock ends. */
  async function lock(service: string, table: string): Promise<pg.Client> {
    const holder = new pg.Client({ connectionString: world.databaseEnv[`DATABASE_URL_${service.toUpperCase()}`] });
    await holder.connect();
    await holder.query(`begin; lock table ${table} in access exclusive mode`);
    return holder;
  }
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
    const opened = await place({ orderId: 'w1', coupon: 'welcome-c1' });
    assert.deepEqual([opened.code, opened.stderr], [0, []]);
    const text =
      /^order w1 was opened: 7\.50 to pay, 2\.50 off by coupon welcome-c1, 10 points spent; it waits for its payment until 20\S+Z: order pay w1\n$/;
    assert.match(opened.stdout, text);
    // Asked again it is the same.
    assert.match((await place({ orderId: 'w1', coupon: 'welcome-c1' })).stdout, text);
    const early = await order('ship', 'w1');
    assert.deepEqual([early.code, early.stdout], [1, '']);
    assert.deepEqual(early.stderr, [`order-w1: 'ship' is illegal in WAIT_PAY; legal are: pay, cancel`]);
    const moved = await order(
      'deadline',
      'w1',
      'unpaid',
      '--by',
      '1h',
      '--reason',
      'the bank is closed',
      '--actor',
      'ann',
    );
    assert.deepEqual([moved.code, moved.stderr], [0, []]);
    assert.match(moved.stdout, /^order w1: deadline unpaid was moved to 20\S+Z\n$/);
    for (let times = 0; times < 2; times++) {
      const paid = await order('pay', 'w1', '--request-id', 'till-7');
      assert.deepEqual([paid.code, paid.stdout], [0, 'order w1: pay: WAIT_PAY to PAID\n'], paid.stderr.join());
    }
    await becomes('w1', 'PAID.WAIT_PICK');
    const steps = [
      // Said twice it is done once, and the second one does not wait for what has happened.
      ...Array.from(
        { length: 2 },
        () =>
          [
            ['pick', 'w1', '--at-warehouse', '--wait', '1 minute'],
            "order w1: the warehouse has done 'pick', and the order is PAID.PICKING\n",
          ] as const,
      ),
      [['pick', 'w1', '--done'], 'order w1: picked: PAID.PICKING to PAID.WAIT_PACK\n'],
      [['pack', 'w1'], 'order w1: pack: PAID.WAIT_PACK to PAID.PACKING\n'],
      [['pack', 'w1', '--done'], 'order w1: packed: PAID.PACKING to WAIT_DELIVER\n'],
      [['ship', 'w1'], 'order w1: ship: WAIT_DELIVER to DELIVERED\n'],
    ] as const;
    for (const [args, said] of steps) {
      const { code, stdout, stderr } = await order(...args);
      assert.deepEqual([code, stdout], [0, said], stderr.join('\n'));
    }
    const shown = await order('show', 'w1');
    assert.equal(shown.code, 3);
    assert.match(
      shown.stdout,
      /^order w1: DELIVERED\n {2}7\.50 to pay \(2\.50 off by coupon welcome-c1\), 10 points spent\n/,
    );
    assert.match(
      shown.stdout,
      /\n {2}legal: deliver, complete, refund, recall\n {2}deadline uncompleted: 20\S+Z, fires complete\n/,
    );
    assert.match(shown.stdout, /\n {2}deadline unpaid was moved from \S+ to \S+ by ann: the bank is closed\n/);
    assert.equal((await order('deliver', 'w1')).code, 0);
    const completed = await order('complete', 'w1', '--json');
    assert.equal(completed.code, 0);
    const { to, result } = completed.json<{ to: string; result: unknown }>();
    assert.deepEqual([to, result], ['COMPLETED', { pointsEarned: 7 }]);
    const { code, stdout } = await order('show', 'w1', '--mermaid');
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^stateDiagram-v2\n[^]*\n {2}WAIT_PAY --> PAID_none : pay\* \[1\]\n[^]*\n {2}class COMPLETED here\n$/,
    );
    const late = await order('cancel', 'w1');
    assert.deepEqual(
      [late.code, late.stderr],
      [1, [`order-w1: 'cancel' is illegal in COMPLETED; nothing is legal, as it is final`]],
    );
  });

  it('says why an order was not opened, or not paid, and that one was cancelled', async () => {
    const short = await place({ orderId: 'w2', units: 1_000 });
    assert.deepEqual([short.code, short.stdout], [1, '']);
    assert.match(short.stderr.join('\n'), /OutOfStock: \d+ cd are left, order w2 needs 1000/);
    const used = await place({ orderId: 'w3', coupon: 'welcome-c1' });
    assert.equal(used.code, 1);
    assert.match(used.stderr.join('\n'), /CouponNotAvailable: coupon welcome-c1 is USED/);
    assert.equal((await place({ orderId: 'w4', customerId: 'c2', amount: 1_000_000 })).code, 0);
    const poor = await order('pay', 'w4');
    assert.deepEqual([poor.code, poor.stdout], [1, '']);
    assert.match(poor.stderr.join('\n'), /InsufficientFunds: customer c2 has 100\.00, order w4 costs 10000\.00/);
    assert.equal(
      (await order('cancel', 'w4', '--reason', 'too dear')).stdout,
      'order w4: cancel: WAIT_PAY to CANCELLED\n',
    );
    assert.equal((await order('show', 'w4')).code, 1);
  });

  it('recalls an order, whose parcel comes back: it is refunded', async () => {
    assert.equal((await place({ orderId: 'w5', customerId: 'c2', coupon: 'welcome-c2' })).code, 0);
    // While the orders are away nobody hears that a payment came to nothing: it goes on.
    const locked = await lock('orders', 'orders');
    const [away, unseen] = await Promise.all([order('pay', 'w5', '--wait', '3s'), order('show', 'w5')]);
    await locked.end();
    assert.deepEqual([away.code, away.stdout, unseen.code, unseen.stdout], [3, '', 3, '']);
    assert.match(unseen.stderr.join('\n'), /it is not known where order w5 is: ask again/);
    const again = await order('pay', 'w5');
    assert.equal(again.code, 0, again.stderr.join('\n'));
    await becomes('w5', 'PAID.WAIT_PICK');
    for (const args of [
      ['pick', 'w5'],
      ['pick', 'w5', '--done'],
      ['pack', 'w5'],
      ['pack', 'w5', '--done'],
      ['ship', 'w5'],
    ]) {
      assert.equal((await order(...args)).code, 0);
    }
    const recalled = await order('recall', 'w5', '--reason', 'scratched');
    assert.deepEqual([recalled.code, recalled.stdout], [0, 'order w5: recall: DELIVERED to REFUNDING.RECALLED\n']);
    world.faults.set({ function: 'inventory.release.action', kind: 'refuse', gid: 'order-w5*' });
    assert.equal((await order('returned', 'w5')).stdout, 'order w5: returned: REFUNDING.RECALLED to REFUNDING\n');
    // The money is back, and the stock is not: nobody says in the refund's place that it is done.
    await until(async () => (await order('show', 'w5')).code === 4);
    world.faults.clear();
    assert.doesNotMatch((await order('show', 'w5')).stdout, /refundDone/);
    const refund = /order-w5\.REFUNDING\.\d+/.exec((await order('show', 'w5')).stdout)?.[0] ?? '';
    const early = await order('refunded', 'w5', '--reason', 'by bank transfer');
    assert.deepEqual([early.code, early.stdout], [1, '']);
    assert.deepEqual(early.stderr, [
      `order-w5: 'refunded' is illegal in REFUNDING: its refund ${refund} has not ended; where that waits for a person, decide there: desk show ${refund}`,
    ]);
    const by = ['--actor', 'ann', '--reason', 'counted again'];
    assert.equal((await world.run('desk', 'retry', refund, ...by)).code, 0);
    await becomes('w5', 'REFUNDED');
    const books = await world.run('books');
    assert.equal(books.code, 0, books.stdout);
  });

  it('tells of a transaction that waits for a person', async () => {
    world.faults.set({ function: 'payments.charge.action', kind: 'refuse', gid: 'nobody' });
    assert.equal((await place({ orderId: 'w6', customerId: 'c2', coupon: 'welcome-c2' })).code, 0);
    world.faults.set({ function: 'inventory.release.action', kind: 'refuse', gid: 'order-w6*' });
    const stuck = await order('cancel', 'w6', '--wait', '30s');
    world.faults.clear();
    assert.equal(stuck.code, 4, `${stuck.stdout} ${stuck.stderr.join()}`);
    assert.match(stuck.stdout, /^order w6: order-w6\.cancel\.0 waits for a person: desk show order-w6\.cancel\.0\n$/);
    const shown = await order('show', 'w6');
    assert.equal(shown.code, 4);
    assert.match(shown.stdout, /✗ order-w6\.cancel\.0 waits for a person/);
    const by = ['--actor', 'ann', '--reason', 'sold at the counter'];
    const skipped = await world.run('desk', 'skip', 'order-w6.cancel.0', ...by);
    assert.equal(skipped.code, 0, skipped.stderr.join('\n'));
    await becomes('w6', 'CANCELLED');
    // That a person has left the stock keeps nothing else from its customer.
    const coupons = await lock('coupons', 'coupons');
    const { rows } = await coupons.query(`select status from coupons where code = 'welcome-c2'`);
    await coupons.end();
    assert.deepEqual(rows, [{ status: 'AVAILABLE' }]);
  });

  describe('reconciled', () => {
    // Not what Temporal's executions tell: other shops have theirs on this server.
    const pairs = ['payments', 'stock', 'points', 'shipments', 'recalls', 'notifications'].map(
      (part) => `orders-${part}`,
    );
    const lives = ['orders-machines', 'live-orders', 'orders-jobs', 'coupons-orders', 'coupons-moves'];
    const own = [...pairs, ...lives, 'payments-entries', 'reservations-entries', 'order-messages'].join(',');
    const reconcile = async (...args: string[]) => {
      const run = await world.run('reconcile', '--pairs', own, '--json', ...args);
      assert.ok(run.code === 0 || run.code === 1, run.stderr.join('\n'));
      return run.json<ReconcileReport>();
    };
    const named = ({ findings }: ReconcileReport) =>
      findings.map(({ class: name, key, state, note = '' }) => `${name} ${key} ${state} ${note}`.trim()).toSorted();
    const skipped = `ann has decided 'skip' of 'restock' in order-w6.cancel.0: sold at the counter`;
    const left = (state: string) => `reserved-but-cancelled w6 ${state} ${skipped}`;

    it('leaves nothing to find while what a machine has begun is young, though the machine has ended', async () => {
      const report = await reconcile();
      assert.deepEqual(named(report), []);
      assert.equal(report.pairs.find(({ pair }) => pair === 'orders-stock')?.inFlight, 1);
    });

    it('leaves nothing to find, in whatever state its orders are, but what a person has left; and nobody repairs that', async () => {
      const report = await reconcile('--young', '1ms');
      assert.deepEqual(named(report), [left('told')]);
      const messages = report.pairs.find(({ pair }) => pair === 'order-messages');
      assert.ok((messages?.rows[0] ?? 0) >= 10, 'what the warehouse was told is compared');
      assert.equal(messages?.candidates, 0);
      const repaired = await reconcile('--young', '1ms', '--repair', '--actor', 'bob', '--reason', 'tidy');
      assert.deepEqual(named(repaired), [left('at-desk')]);
    });

    it('finds what is wrong with an order that lives, and with one whose parcel came back or did not', async () => {
      assert.equal((await place({ orderId: 'w9', customerId: 'c2' })).code, 0);
      await damage(
        'payments',
        `insert into wallet_entries (customer_id, kind, amount, order_id) values ('c2', 'capture', -7, 'w9')`,
      );
      // As if it had been lost, and refunded then: the units that nobody has are for sale.
      const kept = (to: string) =>
        `update order_moves set to_state = '${to}' where id = 'w5' and from_state = 'REFUNDING.RECALLED'`;
      await damage('orders', kept('REFUNDING.KEPT'));
      await damage('shipping', `update recalls set status = 'lost' where order_id = 'w5'`);
      await damage('warehouse', `delete from backstitch.inbox where message_id = 'order-w1/order.moved/PACKED'`);
      const first = [
        'entries-without-payment w9 told',
        'order-messages-without-effect orders/warehouse order-w1/order.moved/PACKED repairable sends it again, under its own id',
        'placed-but-not-reserved w5 told',
      ];
      const findings = await reconcile('--young', '1ms');
      assert.deepEqual(named(findings), [...first, 'reserved-but-cancelled w6 at-desk']);
      await damage('orders', kept('REFUNDING'));
      await damage('shipping', `update recalls set status = 'returned' where order_id = 'w5'`);
      await damage(
        'inventory',
        `update reservations set status = 'reserved', released_at = null where order_id = 'w5'`,
      );
      assert.deepEqual(
        named(await reconcile('--young', '1ms', '--pairs', 'orders-stock')).filter((each) => each.includes(' w5 ')),
        ['returned-but-not-restocked w5 repairable puts the units back'],
      );
      // Whoever says that it is refunded by hand has put back what was to be put back, or knows why not.
      const by = (actor: string, event: string) =>
        `update order_moves set event = '${event}', actor = '${actor}', reason = 'at the counter' where id = 'w5' and to_state = 'REFUNDED'`;
      const ofStock = async () => {
        const stock = await reconcile('--young', '1ms', '--pairs', 'orders-stock');
        return named(stock).filter((each) => each.includes(' w5 '));
      };
      await damage('orders', by('ann', 'refunded'));
      assert.deepEqual(await ofStock(), [
        'returned-but-not-restocked w5 told ann has said that it is refunded, by hand: at the counter',
      ]);
      await damage('orders', by('entry', 'refundDone'));
      await damage('shipping', `delete from shipments where order_id = 'w5'`);
      assert.deepEqual(named(await reconcile('--young', '1ms', '--pairs', 'orders-shipments')), [
        'placed-but-not-shipped w5 told',
      ]);
      // Its machine has ended, and a saga of that has not: what that has still to do is no drift.
      const connection = await connectTo(world.address);
      const { workflow } = new Client({ connection });
      const saga = await workflow.start('refundOrder', {
        ...{ workflowId: 'order-w5.REFUNDING.99', taskQueue: 'nobody', args: [{}] },
        typedSearchAttributes: initialAttributes('saga'),
      });
      await until(async () => (await ofStock()).length === 0);
      await saga.terminate();
      await connection.close();
    });
  });

  it('refuses what makes no sense in one line', async () => {
    const saga = JSON.stringify({ orderId: 'w7', customerId: 'c1', units: 1, amount: 100 });
    assert.equal((await order('place', '--order', saga)).code, 0);
    const other = JSON.stringify({ orderId: 'w4', customerId: 'c2', units: 1, amount: 100 });
    const runs: [string[], number, RegExp][] = [
      [['place', '--lifecycle', '--order', other], 2, /order-w4 was started before with other content/],
      [
        ['place', '--lifecycle', '--order', saga, '--choreographed'],
        2,
        /--lifecycle.*--choreographed|--choreographed.*--lifecycle/,
      ],
      [['place', '--lifecycle'], 2, /takes one order/],
      [['place', '--lifecycle', '--order', '{"orderId":"w8"}'], 2, /customerId/],
      [
        ['place', '--lifecycle', '--order', '{"orderId":"w5.cancel.0","customerId":"c1","units":1,"amount":1}'],
        2,
        /no dots/,
      ],
      [['place', '--lifecycle', '--order', saga], 2, /order-w7 was started before/],
      [['deadline', 'w1', 'unpaid', '--reason', 'x'], 2, /--to TIME or --by DURATION/],
      [['deadline', 'w5', 'unpaid', '--by', '1h', '--reason', 'x'], 2, /order-w5/],
      [['received', 'w5'], 1, /'received' is illegal in REFUNDED/],
      [['refunded', 'w5', '--reason', 'by hand', '--request-id', 'other'], 1, /'refunded' is illegal in REFUNDED/],
      [['ship', 'nothing-such'], 2, /there is no order nothing-such with a lifecycle/],
      [['ship', 'w7'], 2, /there is no order w7 with a lifecycle/],
    ];
    for (const [args, code, why] of runs) {
      const run = await order(...args);
      assert.deepEqual([run.code, run.stdout], [code, ''], `${args.join(' ')}: ${run.stderr.join()}`);
      assert.match(run.stderr.join('\n'), why);
    }
  });
});
