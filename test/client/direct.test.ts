import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readOrders } from '../../src/client/orders-file.js';
import type { PlacingReport } from '../../src/client/place-orders.js';
import type { ShownTransaction } from '../../src/kit/client/index.js';
import type { LogEntry } from '../../src/kit/workflow/index.js';
import { openClientWorld, startProgram, type ClientWorld } from './support.js';

const ORDERS = 200;

describe('the command line as a driver of orders: --lane direct', function () {
  this.timeout(240_000);
  let world: ClientWorld;
  let file: string;
  before(async () => {
    world = await openClientWorld();
    const mark = randomUUID().slice(0, 8);
    const orders = await readOrders('examples/orders.csv', { limit: ORDERS });
    file = await world.ordersFile(
      orders.map(({ orderId, customerId, units, amount }) => ({
        ...{ orderId: `${orderId}-${mark}`, customerId, units, amount },
      })),
    );
    const opened = await world.run('shop', 'open', '--file', file);
    assert.equal(opened.code, 0, opened.stderr.join('\n'));
  });
  after(() => world.close());

  const drive = (env: Record<string, string>, ...args: string[]) =>
    startProgram(['order', 'place', '--lane', 'direct', ...args], { ...world.env, ...world.databaseEnv, ...env }).ended;
  const newOrder = async () => {
    const [{ customerId } = { customerId: '' }] = await readOrders('examples/orders.csv', { limit: 1 });
    return { orderId: randomUUID().slice(0, 8), customerId, units: 1, amount: 1 };
  };
  const shown = async (orderId: string) =>
    (await world.run('tx', 'show', `order-${orderId}`, '--json')).json<ShownTransaction & { ui?: string }>();

  it(`places ${ORDERS} real orders of a file, each once however often it is asked for, and the books balance`, async () => {
    const first = await drive({}, '--file', file, '--json');
    assert.equal(first.code, 1, first.stderr.join('\n'));
    const report = first.json<PlacingReport & { orders: number }>();
    assert.deepEqual([report.orders, report.done, report.placed + report.undone], [ORDERS, ORDERS, ORDERS]);
    assert.ok(report.undone > 0 && report.placed > ORDERS / 2, JSON.stringify(report));
    const again = (await drive({}, '--file', file, '--json')).json<PlacingReport>();
    assert.deepEqual([again.placed, again.undone, again.reasons], [report.placed, report.undone, report.reasons]);
    const books = await world.run('books');
    assert.equal(books.code, 0, books.stdout);
  });

  it('places one order, which order show and tx show tell of, though it never was a workflow', async () => {
    const order = await newOrder();
    const placed = await drive({}, '--order', JSON.stringify(order));
    assert.deepEqual([placed.code, placed.stderr], [0, []]);
    assert.match(placed.stdout, new RegExp(`^order ${order.orderId} was placed: payment `));
    const told = await world.run('order', 'show', order.orderId);
    assert.deepEqual([told.code, told.stdout.split('\n')[0]], [0, `order ${order.orderId}: was placed`]);
    const transaction = await world.run('tx', 'show', `order-${order.orderId}`);
    assert.equal(transaction.code, 0);
    assert.match(transaction.stdout, /^order-\S+ {2}committed {2}\(placeOrder: saga, direct\)$/m);
    assert.match(transaction.stdout, /^was driven by a process \(\d+@.+\), direct:\S+, in the database of 'orders'$/m);
    const { driver, ui } = await shown(order.orderId);
    assert.deepEqual([driver.kind, ui], ['process', undefined]);
    const list = (await world.run('tx', 'list', '--limit', '1000')).stdout.split('\n');
    assert.match(
      list.find((line) => line.includes(`order-${order.orderId} `)) ?? '',
      /│ committed +│ saga +│ direct +│/,
    );
    const log = (await world.run('log', `order-${order.orderId}`, '--json')).json<{ entries: LogEntry[] }>().entries;
    assert.deepEqual(
      log.map(({ seq, op, outcome }) => [seq, op, outcome]),
      [...[1, 2, 3, 4, 5, 6].map((seq) => [seq, 'action', 'applied']), [undefined, 'end', 'committed']],
    );
  });

  it('gives an order to a workflow on trouble, and says why', async () => {
    const order = await newOrder();
    const placed = await drive({ BACKSTITCH_FAULTS: 'payments.charge.action:fail' }, '--order', JSON.stringify(order));
    assert.deepEqual([placed.code, placed.stderr.length], [0, 1]);
    assert.match(
      placed.stderr[0] ?? '',
      /^1 given to workflows; the first was order-\S+: payments\.charge\.action: .*fail/,
    );
    assert.equal((await shown(order.orderId)).driver.kind, 'workflow');
  });

  it('tx promote says in one line what it cannot give to a workflow', async () => {
    const order = await newOrder();
    await drive({}, '--order', JSON.stringify(order));
    const promote = (gid: string) => world.run('tx', 'promote', gid, '--actor', 'ann', '--reason', 'a test');
    const ended = await promote(`order-${order.orderId}`);
    const why = `order-${order.orderId}: it cannot be promoted: it has ended, committed`;
    assert.deepEqual([ended.code, ended.stdout, ended.stderr], [1, '', [why]]);
    const unknown = await promote('order-none');
    assert.deepEqual([unknown.code, unknown.stderr], [2, ["no transaction order-none in namespace 'default'"]]);
    assert.equal((await world.run('tx', 'promote', 'order-none', '--actor', 'ann')).code, 2);
  });

  it('killed in the middle leaves its order to a worker; asked again it gives the outcome', async () => {
    const order = await newOrder();
    const json = JSON.stringify(order);
    const killed = await drive({ BACKSTITCH_FAULTS: 'payments.charge.action:kill-after-commit' }, '--order', json);
    assert.equal(killed.code, null);
    const again = await drive({}, '--order', json, '--json');
    assert.equal(again.code, 0, again.stderr.join('\n'));
    assert.equal((await world.run('books')).code, 0);
  });

  it('without the databases says which is missing, or which cannot be reached: exit code 2, one line', async () => {
    const args = ['order', 'place', '--lane', 'direct', '--order', JSON.stringify(await newOrder())];
    const none = await startProgram(args, world.env).ended;
    assert.deepEqual([none.code, none.stdout, none.stderr.length], [2, '', 1]);
    assert.match(
      none.stderr[0] ?? '',
      /^no database for the service 'orders': set DATABASE_URL_ORDERS, or DATABASE_URL/,
    );
    const away = await startProgram(args, { ...world.env, DATABASE_URL: 'postgres://nobody@127.0.0.1:1' }).ended;
    assert.deepEqual([away.code, away.stdout, away.stderr.length], [2, '', 1]);
    assert.match(away.stderr[0] ?? '', /^the database of the service '\w+' \(\w+ at 127\.0\.0\.1:1\) cannot be used/);
  });

  it('is the only command that loads a service or a database driver', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'loaded-'));
    const loaded = async (name: string, run: (env: Record<string, string>) => Promise<{ code: number | null }>) => {
      const into = join(folder, name);
      assert.equal((await run({ NODE_V8_COVERAGE: into })).code, 0);
      const texts = await Promise.all((await readdir(into)).map((each) => readFile(join(into, each), 'utf8')));
      return texts
        .flatMap((text) => (JSON.parse(text) as { result: { url: string }[] }).result)
        .filter(({ url }) => /\/(node_modules\/pg|src\/activities)\//.test(url)).length;
    };
    try {
      const order = JSON.stringify(await newOrder());
      const env = { ...world.env, ...world.databaseEnv };
      assert.ok((await loaded('direct', (more) => drive(more, '--order', order))) > 0);
      const others = [
        ['order', 'place', '--order', order],
        ['tx', 'list'],
        ['order', 'place', '--help'],
      ];
      for (const [index, args] of others.entries()) {
        const count = await loaded(`other-${index}`, (more) => startProgram(args, { ...env, ...more }).ended);
        assert.equal(count, 0, args.join(' '));
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
