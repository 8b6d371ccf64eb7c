import assert from 'node:assert/strict';
import pg from 'pg';
import { openClientWorld, type ClientWorld } from './support.js';

interface Shown {
  since: string;
  transactions: {
    transaction: string;
    by: string;
    steps: { step: string; reached: number; refused: number; rate: number; reasons: Record<string, number> }[];
    suggestion?: { order: string[]; fixed: string[]; changes: boolean };
  }[];
  notes: string[];
}

describe('the command tx refusals', function () {
  this.timeout(180_000);
  let world: ClientWorld;
  before(async () => {
    world = await openClientWorld();
    const file = await world.ordersFile([{ customerId: 'c1' }, { customerId: 'poor' }]);
    assert.equal((await world.run('shop', 'open', '--file', file, '--stock', '8')).code, 0);
  });
  after(() => world.close());

  const refusals = async (...args: string[]) => {
    const run = await world.run('tx', 'refusals', '--json', ...args);
    return { ...run, shown: run.json<Shown>() };
  };

  it('counts what payment and stock have refused, in every lane, and suggests the most refused first', async () => {
    const none = await world.run('tx', 'refusals');
    assert.deepEqual([none.code, none.stderr], [0, []]);
    assert.match(none.stdout, /^no step was asked since /);

    const place = async (lane: string, lines: Parameters<ClientWorld['ordersFile']>[0]) => {
      const file = await world.ordersFile(lines);
      const child = world.start('order', 'place', '--file', file, '--lane', lane, '--json');
      assert.equal((await child.ended).code, 1);
    };
    // Three are placed, three find no stock, one is too dear.
    await place('durable', [{ units: 2 }, { units: 50 }]);
    await place('lean', [{ units: 2 }, { units: 50 }, { customerId: 'poor', amount: 1_000_000 }]);
    await place('grouped', [{ units: 2 }, { units: 50 }]);

    const { code, stderr, shown } = await refusals('--transaction', 'order');
    assert.deepEqual([code, stderr, shown.notes, shown.transactions.length], [0, [], [], 1]);
    const [orders] = shown.transactions;
    assert.deepEqual(
      orders?.steps.map(({ step, reached, refused, rate, reasons }) => [step, reached, refused, rate, reasons]),
      [
        ['create-order', 7, 0, 0, {}],
        ['pay', 7, 1, 0.1429, { InsufficientFunds: 1 }],
        ['reserve-stock', 6, 3, 0.5, { OutOfStock: 3 }],
        ['ship', 3, 0, 0, {}],
        ['complete-order', 3, 0, 0, {}],
        ['notify', 3, 0, 0, {}],
      ],
    );
    assert.deepEqual(orders.suggestion, {
      order: ['create-order', 'reserve-stock', 'pay', 'ship', 'complete-order', 'notify'],
      fixed: ['ship', 'complete-order', 'notify'],
      changes: true,
    });
    const table = await world.run('tx', 'refusals');
    assert.match(table.stdout, /^order, saga or message, since /);
    assert.match(table.stdout, /│ 3 +│ reserve-stock +│ inventory.reserve +│ 6 +│ 3 +│ 50.0 % │ OutOfStock 3 +│/);
    assert.match(
      table.stdout,
      /\nsuggested order: create-order, reserve-stock, pay, ship, .*stay last\n\n.*does not know/,
    );
  });

  it('takes only what it knows, counts only what was asked since, and names a service that cannot be read', async () => {
    const unknown = await world.run('tx', 'refusals', '--transaction', 'holidays');
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr[0] ?? '', /Allowed choices are order, transfer, recall, returned, lost/);
    assert.deepEqual((await refusals('--since', '1ms')).shown.transactions, []);

    const connectionString = world.databaseEnv.DATABASE_URL_INVENTORY;
    const inventory = new pg.Client({ connectionString });
    await inventory.connect();
    await inventory.query('alter table backstitch.guard rename to guard_away');
    const part = await refusals('--transaction', 'order').finally(async () => {
      await inventory.query('alter table backstitch.guard_away rename to guard');
      await inventory.end();
    });
    assert.equal(part.code, 1);
    assert.match(part.shown.notes.join('\n'), /^the database of the service 'inventory' cannot be read: [^\n]+$/);
    assert.ok(part.shown.transactions[0]?.steps.every(({ step }) => step !== 'reserve-stock'));
  });
});
