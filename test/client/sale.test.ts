import assert from 'node:assert/strict';
import type { ReclaimReport, SaleAnswer, SaleBooks, SalePurchase } from '../../src/contracts/sale.js';
import type { Books } from '../../src/contracts/shop.js';
import { describeAnswer } from '../../src/client/sale-words.js';
import { openClientWorld, startProgram, type ClientWorld } from './support.js';

describe('the command line of flash sales', function () {
  this.timeout(240_000);
  let world: ClientWorld;
  before(async () => {
    world = await openClientWorld();
    const file = await world.ordersFile([{ customerId: 'c1' }]);
    assert.equal((await world.run('shop', 'open', '--file', file, '--stock', '1000')).code, 0);
  });
  after(() => world.close());
  const run = (...args: string[]) => world.run('sale', ...args);
  /** Without a Temporal server at hand. */
  const direct = (args: string[], env: Record<string, string> = {}) =>
    startProgram(['sale', ...args], { ...world.databaseEnv, TEMPORAL_ADDRESS: '127.0.0.1:1', ...env }).ended;

  it('opens, buys, pays, shows and closes; a buyer hears sold, sold out or pending', async () => {
    const opened = await run('open', 'launch', '--units', '3', '--cents', '4900', '--per-customer', '2');
    assert.deepEqual(
      [opened.code, opened.stdout],
      [
        0,
        'sale launch is open: 3 cd for 49.00 each, at most 2 a customer\n' +
          '  sold 0, waiting 0 (0 purchases), left 3, returned 0; reclaimed meanwhile 0\n' +
          '  ✓ sold + waiting + left + returned = opened\n',
      ],
    );
    assert.equal((await run('open', 'launch', '--units', '4')).code, 1);
    // Both replies are lost; and a fault that is meant for workers is left to them.
    const BACKSTITCH_FAULTS =
      'inventory.occupy.action:die-after-commit,orders.submit.action:die-after-commit=2,payments.charge.action:refuse';
    const buying = ['buy', 'launch', '--customer', 'c1', '--units', '2', '--id', 'p-1'];
    const sold = await direct(buying, { BACKSTITCH_FAULTS });
    assert.deepEqual([sold.code, sold.stderr], [0, []]);
    assert.match(sold.stdout, /^purchase p-1: sold, 98\.00 to be paid until 20\S+Z: sale pay p-1 --payment ID\n$/);
    const out = await direct(['buy', 'launch', '--customer', 'c2', '--units', '2', '--id', 'p-2', '--json']);
    assert.deepEqual([out.code, out.json()], [1, { answer: 'refused', id: 'p-2', why: 'sold out' }]);
    const vain = await direct(buying, { BACKSTITCH_FAULTS: 'inventory.occupy.action:refuse' });
    assert.equal(vain.code, 2);
    assert.match(vain.stderr.join(), /'refuse' does not befall inventory.occupy.action/);
    const none = await direct(['buy', 'nothing', '--customer', 'c2', '--id', 'p-3']);
    assert.deepEqual([none.code, none.stdout], [2, 'purchase p-3: there is no such sale\n']);
    const away = { DATABASE_URL_ORDERS: 'postgres://nobody@127.0.0.1:1/orders' };
    const pending = await direct(['buy', 'launch', '--customer', 'c2', '--id', 'p-4', '--wait', '1s'], away);
    assert.equal(pending.code, 3);
    assert.match(pending.stdout, /^purchase p-4: pending: ask again by its id, p-4 \(.*ECONNREFUSED.*\)\n$/);
    assert.match((await run('show', 'p-4', '--purchase')).stdout, /units occupied, due 20\S+Z, order none\n$/);
    const again = await direct(['buy', 'launch', '--customer', 'c2', '--json']);
    assert.deepEqual([again.code, again.json<SaleAnswer>().answer], [1, 'refused']);
    assert.match(again.stderr.join(), /^this purchase has the id (\S+): ask again with --id \1$/);

    const paid = await direct(['pay', 'p-1', '--payment', 'pay-1', '--json']);
    const expected = { answer: 'sold', id: 'p-1', paid: true, cents: 9_800, payBy: null };
    assert.deepEqual([paid.code, paid.json()], [0, expected]);
    const twice = await direct(['pay', 'p-1', '--payment', 'pay-2']);
    assert.equal(twice.code, 1);
    assert.match(twice.stdout, /another payment has paid it: this one has to be given back/);
    assert.equal((await direct(['pay', 'p-9', '--payment', 'pay-9'])).code, 1);
    const closed = await run('close', 'launch', '--json');
    const { state, sold: units, waiting, left } = closed.json<SaleBooks>();
    assert.deepEqual([closed.code, state, units, waiting, left], [3, 'closed', 2, 1, 0]);
    assert.equal((await run('close', 'nothing')).code, 1);
    assert.equal((await run('show', 'nothing')).code, 1);
  });

  it('says of a time to pay that is past that it is, and of what is paid and not held that a person has to look', () => {
    const sold: SaleAnswer = { answer: 'sold', id: 'p-1', paid: false, cents: 100, payBy: 1_000 };
    assert.match(describeAnswer(sold, 999), /to be paid until 1970-01-01T00:00:01.000Z: sale pay p-1 --payment ID$/);
    assert.match(
      describeAnswer(sold, 1_000),
      /00:01.000Z, which is past: its units may be taken back at any moment: sale pay/,
    );
    assert.match(describeAnswer({ answer: 'torn', id: 'p-1' }), /paid, and its units had been released: a person/);
  });

  it('kills a buyer between the two databases: what it had is reclaimed, and the sale says its books', async () => {
    const { code } = await run('open', 'crash', '--units', '5', '--hold', '1 ms');
    assert.equal(code, 0);
    const fault = { BACKSTITCH_FAULTS: 'inventory.occupy.action:kill-after-commit@sale-k-1' };
    assert.equal((await direct(['buy', 'crash', '--customer', 'c1', '--id', 'k-1'], fault)).code, null);
    const shown = await run('show', 'k-1', '--purchase', '--json');
    const { stock, order } = shown.json<SalePurchase>();
    assert.deepEqual([shown.code, stock, order], [3, 'occupied', 'none']);
    assert.equal((await run('close', 'crash')).code, 3);
    const reclaimed = await run('reclaim', '--json');
    const { due, released, failedCount, settled } = reclaimed.json<ReclaimReport>();
    assert.deepEqual([reclaimed.code, due, released, failedCount, settled], [0, 1, 1, 0, ['crash']]);
    assert.equal(
      (await direct(['buy', 'crash', '--customer', 'c1', '--id', 'k-1'])).stdout.includes('were taken back'),
      true,
    );
    const { state, opened, sold, returned } = (await run('close', 'crash', '--json')).json<SaleBooks>();
    assert.deepEqual([state, opened, sold, returned], ['settled', 5, 0, 5]);
    const { balanced, figures } = (await world.run('books', '--json')).json<Books>();
    assert.deepEqual([balanced, figures.saleUnits, figures.saleSoldUnits, figures.saleReturnedUnits], [true, 8, 2, 5]);
    assert.deepEqual([figures.initialUnits, figures.stockUnits], [1_000, 997]);
  });
});
