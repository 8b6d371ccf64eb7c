import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { MissedPurchases, PulledPurchases, PurchaseState } from '../../src/contracts/bookstore.js';
import { Proxy } from '../chaos/proxy.js';
import { until } from '../support/until.js';
import { openClientWorld, type ClientWorld } from './support.js';

describe('the command line of the bookstore', function () {
  this.timeout(240_000);
  let world: ClientWorld;
  let proxy: Proxy;
  before(async () => {
    world = await openClientWorld(undefined, undefined, async (service, text) => {
      if (service !== 'bank_c') return text;
      const url = new URL(text);
      proxy = await Proxy.start(Number(url.port));
      url.port = String(proxy.port);
      return url.href;
    });
    assert.equal((await world.run('bank', 'open')).code, 0);
  });
  after(async () => {
    await world.close();
    await proxy.close();
  });

  const run = (...args: string[]) => world.run('bookstore', ...args);
  const newId = () => randomUUID().slice(0, 8);
  const buy = (id: string, ...more: string[]) =>
    run('buy', '--id', id, '--from', 'bank_a:alice', '--book', 'emma', '--cents', '10000', ...more);

  it('opens, buys, shows what is in progress, lists and pulls what each side missed, and shows what is done', async () => {
    const id = newId();
    const made = await buy(id, '--copies', '2');
    assert.deepEqual(
      [made.code, made.stderr, made.stdout],
      [
        0,
        [],
        `purchase ${id} was made: 2 copies of emma for 100.00; the warehouse and the merchant are told: see bookstore show ${id}\n`,
      ],
    );
    const begun = await run('show', id);
    assert.equal(begun.code, 3);
    assert.match(
      begun.stdout,
      new RegExp(`^purchase ${id} is in progress: 2 copies of emma for 100.00 from bank_a:alice, since 20`),
    );
    assert.match(begun.stdout, /\n {2}debit done, warehouse in progress, merchant in progress\n$/);

    const listed = (await run('missed', '--for', 'merchant', '--json')).json<MissedPurchases>();
    assert.deepEqual([listed.total, listed.purchases.map((each) => each.id)], [1, [id]]);
    assert.match(
      (await run('missed', '--for', 'warehouse')).stdout,
      new RegExp(`${id} │ bank_a:alice │ emma │ 2 +│ 100.00 │ 20`),
    );
    const back = proxy.refuse();
    const away = await run('pull', '--for', 'merchant');
    back();
    assert.equal(away.code, 3, away.stderr.join('\n'));
    assert.match(
      away.stdout,
      /^the merchant: 0 handled, 1 wait and are tried on\nthe merchant itself is away: the database of consumer 'merchant' cannot be used: .*\nbank_c could not be read: the database of bank_c is silent or busy .*\n$/,
    );
    const early = await run('pull', '--for', 'warehouse');
    assert.deepEqual(
      [early.code, early.stdout],
      [
        3,
        `the warehouse: 0 handled, 1 wait and are tried on\n  ${id}: purchase-${id} wants 2 of emma, the warehouse has never had any\n`,
      ],
    );

    const opened = await run('open', 'emma:1');
    assert.deepEqual(
      [opened.code, opened.stdout],
      [0, 'bank_c:bookstore is open\nthe warehouse was delivered 1 copy of emma in all\n'],
    );
    const restocked = await run('restock', '--book', 'emma', '--copies', '4');
    assert.deepEqual([restocked.code, restocked.stdout], [0, 'the warehouse was delivered 4 copies of emma more\n']);
    // Who has heard no answer asks again under the id that was noted before: the books below know of 4 more.
    const [, noted = ''] =
      /^this delivery has the id (\S+): if no answer comes, ask again with --id \1$/.exec(
        restocked.stderr.join('\n'),
      ) ?? [];
    const again = await run('restock', '--book', 'emma', '--copies', '4', '--id', noted);
    assert.deepEqual([again.code, again.stdout, again.stderr], [0, restocked.stdout, []]);
    assert.equal((await run('pull', '--for', 'warehouse')).stdout, 'the warehouse: 1 handled\n');
    const pulled = (await run('pull', '--for', 'merchant', '--json')).json<PulledPurchases>();
    assert.deepEqual([pulled.handled, pulled.waiting, pulled.failed], [1, 0, 0]);
    assert.equal((await run('missed', '--for', 'merchant')).stdout, 'the merchant has acknowledged every purchase\n');
    const done = await run('show', id, '--json');
    const { warehouse, merchant } = done.json<PurchaseState>();
    assert.deepEqual([done.code, warehouse, merchant], [0, 'done', 'done']);
  });

  it('is told by the relay where nobody pulls; the books balance, and name the figures', async () => {
    await world.deliver();
    const id = newId();
    assert.equal((await buy(id)).code, 0);
    await until(async () => (await run('show', id)).code === 0);
    const books = await world.run('books');
    assert.equal(books.code, 0, books.stdout);
    assert.match(
      books.stdout,
      /\npurchases +2\npurchasesOpen +0\npurchasesGivenUp +0\nbooksDelivered +5\nbooksInStock +2\nbooksTaken +3\n/,
    );
    assert.match(books.stdout, /\n✓ books in stock \+ in parcels = delivered\n/);
  });

  it('shows a purchase that waits for a person, until that has decided', async () => {
    const set = (status: string) => world.run('bank', 'status', 'bank_c:bookstore', status);
    await set('closed');
    const id = newId();
    assert.equal((await buy(id)).code, 0);
    let shown = await run('show', id);
    await until(async () => (shown = await run('show', id)).code !== 3);
    assert.equal(shown.code, 4);
    assert.match(shown.stdout, new RegExp(`^purchase ${id} waits for a person: `));
    assert.match(
      shown.stdout,
      /\n {2}the message to the merchant is a dead letter, see messages dead: .*AccountClosed.*\n$/,
    );
    await set('open');
    const giveUp = (side: string) => run('give-up', id, '--for', side, '--actor', 'ann', '--reason', 'it went back');
    const given = await giveUp('merchant');
    assert.equal(given.code, 0, given.stderr.join(' '));
    assert.match(given.stdout, /^the part of the merchant is given up\npurchase .* was given up: /);
    shown = await run('show', id);
    assert.equal(shown.code, 1);
    assert.match(
      shown.stdout,
      /\n {2}debit done, warehouse done, merchant given up\n {2}the part of the merchant was given up by ann: it went back\n$/,
    );
    assert.equal((await world.run('messages', 'dead')).stdout, 'no dead letters\n');
    const sent = await giveUp('warehouse');
    assert.equal(sent.code, 1);
    assert.match(sent.stdout, /^the part of the warehouse is not given up: it is done\n/);
    assert.equal((await run('give-up', 'none', '--for', 'merchant', '--actor', 'a', '--reason', 'r')).code, 1);
  });

  it('says in one line what is refused, or makes no sense', async () => {
    const id = newId();
    const unnamed = await run('buy', '--from', 'bank_a:alice', '--book', 'emma', '--cents', '1000000');
    assert.match(unnamed.stderr[0] ?? '', /^this purchase has the id \S+: if no answer comes, ask again with --id /);
    const poor = await buy(id, '--cents', '1000000');
    assert.deepEqual([poor.code, poor.stdout, poor.stderr.length], [1, '', 1]);
    assert.match(poor.stderr[0] ?? '', /InsufficientFunds: account alice of bank_a has /);
    const shown = await run('show', id);
    assert.equal(shown.code, 1);
    assert.match(shown.stdout, new RegExp(`^purchase ${id} was refused: InsufficientFunds: `));
    const unknown = await run('show', 'nothing-such');
    assert.deepEqual([unknown.code, unknown.stdout], [1, 'there is no purchase nothing-such\n']);
    for (const [args, line] of [
      [['buy', '--from', 'bank_a:nobody', '--book', 'emma', '--cents', '1'], /bank_a has no such account/],
      [['buy', '--from', 'alice', '--book', 'emma', '--cents', '1'], /--from.*must be BANK:ACCOUNT/],
      [['buy', '--from', 'bank_a:alice', '--book', 'emma', '--cents', '1.5'], /cents.*whole number of cents/],
      [['buy', '--from', 'bank_a:alice', '--book', 'emma', '--cents', '1', '--copies', '0'], /copies.*whole number/],
      [['open', 'emma'], /must be BOOK:COPIES/],
      [['missed', '--for', 'customer'], /--for.*warehouse, merchant/],
    ] as const) {
      const refused = await run(...args);
      assert.deepEqual([refused.code, refused.stdout], [2, ''], args.join(' '));
      assert.match(refused.stderr.join(' '), line);
    }
  });
});
