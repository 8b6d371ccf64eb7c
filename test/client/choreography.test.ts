import assert from 'node:assert/strict';
import pg from 'pg';
import { until } from '../support/until.js';
import { openClientWorld, type ClientWorld } from './support.js';

describe('the command line of choreographed orders', function () {
  this.timeout(240_000);
  let world: ClientWorld;
  before(async () => {
    world = await openClientWorld();
    const file = await world.ordersFile([{ customerId: 'c1' }]);
    assert.equal((await world.run('shop', 'open', '--file', file, '--stock', '100', '--points', '50')).code, 0);
  });
  after(() => world.close());

  const place = (order: object, ...more: string[]) => {
    const json = JSON.stringify({ customerId: 'c1', units: 1, amount: 1_000, ...order });
    return world.run('order', 'place', '--choreographed', '--order', json, ...more);
  };
  const show = (id: string, ...more: string[]) => world.run('order', 'show', id, ...more);

  it('answers pending while nobody delivers what the services tell; then the order is placed, and its path drawn', async () => {
    const pending = await place({ orderId: '1' }, '--wait', '3s');
    assert.deepEqual([pending.code, pending.stderr], [3, []]);
    assert.equal(
      pending.stdout,
      'order 1 was created, and has not ended yet (nothing was heard of it yet): pending: ask again later\n',
    );
    const early = await show('1');
    assert.deepEqual([early.code, early.stdout], [3, 'order 1: nothing was heard of it yet\n']);
    await world.deliver(['orders', 'inventory', 'payments', 'shipping']);
    // Asked again it is the same order.
    const placed = await place({ orderId: '1' });
    assert.deepEqual([placed.code, placed.stderr], [0, []]);
    assert.equal(placed.stdout, 'order 1 was placed: payment payment-1, shipment shipment-1, 10 points spent\n');
    const shown = await show('1');
    assert.equal(shown.code, 0);
    assert.match(shown.stdout, /^order 1: was placed\n {2}20\S+Z {2}orders: order\.created\n/);
    const drawn = await show('1', '--mermaid');
    assert.equal(
      drawn.stdout,
      [
        'sequenceDiagram',
        ...['orders', 'inventory', 'payments', 'shipping'].map((service) => `  participant ${service}`),
        '  orders->>inventory: order.created',
        '  inventory->>payments: stock.reserved',
        '  payments->>shipping: payment.captured',
        '  shipping->>orders: parcel.dispatched',
        '  Note over orders: order.placed\n',
      ].join('\n'),
    );
  });

  it('says why an order was undone', async () => {
    const short = await place({ orderId: '2', units: 1_000 });
    assert.deepEqual(
      [short.code, short.stdout],
      [1, 'order 2 was undone: OutOfStock: 99 cd are left, order 2 needs 1000\n'],
    );
    const { code, json } = await show('2', '--json', '--mermaid');
    assert.equal(code, 1);
    const { state, mermaid } = json<{ state: string; mermaid: string }>();
    assert.equal(state, 'cancelled');
    assert.match(
      mermaid,
      /\n {2}inventory->>orders: stock\.refused \(OutOfStock\)\n {2}Note over orders: order\.cancelled$/,
    );
    const nobody = await place({ orderId: '3', customerId: 'nobody' });
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr.join(), /UnknownCustomer/);
  });

  it('shows what came after it was placed: its recall, and that its parcel came back', async () => {
    const recalled = await world.run('order', 'recall', '1', '--reason', 'scratched');
    assert.equal(recalled.code, 0, recalled.stderr.join('\n'));
    const early = await show('1');
    assert.equal(early.code, 0);
    assert.match(
      early.stdout,
      /^order 1: was placed, and is recalled\n[^]*\n\S+: the order was recalled, and the carrier/,
    );
    assert.equal((await world.run('order', 'returned', '1')).code, 0);
    const { state, recalls } = (await show('1', '--json')).json<{ state: string; recalls: unknown[] }>();
    assert.deepEqual([state, recalls.length], ['returned', 2]);
  });

  it('asks for a payment that is made later', async () => {
    const asked = await place({ orderId: '4' }, '--pay-later');
    assert.equal(asked.code, 3);
    assert.match(
      asked.stdout,
      /^order 4 was created, its stock is reserved; it waits for its payment until 20\S+Z: order pay 4\n$/,
    );
    assert.match(
      (await show('4')).stdout,
      /^order 4: is being placed\n {2}waits for its customer to pay, since 20\S+Z, until 20/,
    );
    // No answer: nobody can say whether money has moved.
    const payments = new pg.Client({ connectionString: world.databaseEnv.DATABASE_URL_PAYMENTS });
    await payments.connect();
    try {
      await payments.query('alter table payments rename to away');
      const unknown = await world.run('order', 'pay', '4');
      assert.deepEqual([unknown.code, unknown.stdout], [3, '']);
      assert.match(
        unknown.stderr.join('\n'),
        /^it is not known whether order 4 was paid: ask again, it is paid once \(.*payments.*\)$/,
      );
    } finally {
      await payments.query('alter table away rename to payments');
      await payments.end();
    }
    const paid = await world.run('order', 'pay', '4');
    assert.deepEqual([paid.code, paid.stdout], [0, 'order 4 was paid: 10.00, payment payment-4\n']);
    await until(async () => (await show('4')).code === 0);
    const refused = await world.run('order', 'pay', 'nothing-such');
    assert.deepEqual(
      [refused.code, refused.stdout],
      [1, 'order nothing-such was not paid: NotRequested: no payment is asked for order nothing-such\n'],
    );
  });

  it('tells of a dead letter: a person is needed', async () => {
    world.faults.set({ function: 'payments.stockReserved.reaction', kind: 'refuse', gid: 'order-5' });
    const stuck = await place({ orderId: '5' });
    world.faults.clear();
    assert.equal(stuck.code, 4, stuck.stdout);
    assert.match(stuck.stdout, /\n {2}✗ order-5\/stock\.reserved of inventory to payments is a dead letter: .*Refused/);
    assert.equal((await show('5')).code, 4);
    const again = ['resend', 'order-5/stock.reserved', '--actor', 'ann', '--reason', 'mended'];
    assert.equal((await world.run('messages', ...again)).code, 0);
    await until(async () => (await show('5')).code === 0);
    const books = await world.run('books');
    assert.equal(books.code, 0, books.stdout);
  });

  it('refuses what makes no sense in one line', async () => {
    const saga = JSON.stringify({ orderId: '6', customerId: 'c1', units: 1, amount: 100 });
    assert.equal((await world.run('order', 'place', '--order', saga)).code, 0);
    const runs: [string[], RegExp][] = [
      [['place', '--choreographed', '--order', saga, '--lane', 'direct'], /--choreographed.*--lane/],
      [['place', '--choreographed'], /takes one order/],
      [['place', '--pay-later', '--order', saga], /--pay-later is for --choreographed/],
      [['place', '--choreographed', '--order', '{"orderId":"7"}'], /customerId/],
      [['place', '--choreographed', '--order', saga], /order-6 was started before/],
      [['show', '6', '--mermaid'], /--mermaid is for choreographed orders/],
    ];
    for (const [args, why] of runs) {
      const { code, stdout, stderr } = await world.run('order', ...args);
      assert.deepEqual([code, stdout], [2, ''], args.join(' '));
      assert.match(stderr.join('\n'), why);
    }
  });
});
