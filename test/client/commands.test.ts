import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Books } from '../../src/contracts/shop.js';
import type { PlacingReport } from '../../src/client/place-orders.js';
import type { ListedTransaction, ShownTransaction } from '../../src/kit/client/index.js';
import { openClientWorld, type ClientWorld } from './support.js';

interface Failed {
  error: { type: string; message: string; gid?: string; state?: string; issues?: unknown[] };
}

describe('the command line', function () {
  this.timeout(120_000);
  let world: ClientWorld;
  before(async () => {
    world = await openClientWorld(
      'orders.create.compensation:fail=4@order-slow-*,shipping.dispatch.action:fail=5@order-held-*',
    );
    const opened = await world.run(
      'shop',
      'open',
      '--file',
      await world.ordersFile([{ customerId: 'c1' }, { customerId: 'c2' }]),
      '--stock',
      '1000',
      '--json',
    );
    assert.equal(opened.code, 0, opened.stderr.join('\n'));
    assert.deepEqual(opened.json(), { customers: 2, walletCents: 10_000, points: 1_000, sku: 'cd', units: 1_000 });
  });
  after(() => world.close());

  const newId = () => randomUUID().slice(0, 8);
  const order = (orderId: string, more: object = {}) =>
    JSON.stringify({ orderId, customerId: 'c1', units: 1, amount: 100, ...more });
  const place = (orderId: string, more: object, ...args: string[]) =>
    world.run('order', 'place', '--order', order(orderId, more), ...args);

  describe('order place --order', () => {
    it('places an order: exit code 0, one JSON document on stdout, nothing on stderr', async () => {
      const id = newId();
      const placed = await place(id, {}, '--json');
      assert.deepEqual([placed.code, placed.stderr], [0, []]);
      const { gid, state, result } = placed.json<{ gid: string; state: string; result: { orderId: string } }>();
      assert.deepEqual([gid, state, result.orderId], [`order-${id}`, 'committed', id]);
    });

    it('says in words what became of it', async () => {
      const id = newId();
      const { code, stdout } = await place(id, {}, '--stock-first', '--lane', 'lean');
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`^order ${id} was placed: payment .*, shipment .*, 1 points spent\n$`));
      const shown = (await world.run('tx', 'show', `order-${id}`, '--json')).json<ShownTransaction>();
      assert.equal(shown.lane, 'lean');
      assert.deepEqual(
        shown.branches.map(({ branch }) => branch),
        ['create-order', 'reserve-stock', 'pay', 'ship', 'complete-order', 'notify'],
      );
    });

    it('places an order by TCC: its steps are held, then confirmed, and what cannot be held follows', async () => {
      const id = newId();
      const { code, stdout } = await place(id, {}, '--scheme', 'tcc');
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`^order ${id} was placed: payment .*, shipment .*, 1 points spent\n$`));
      const shown = (await world.run('tx', 'show', `order-${id}`, '--json')).json<ShownTransaction>();
      assert.equal(shown.scheme, 'tcc');
      assert.deepEqual(
        shown.branches.map(({ branch, calls }) => [branch, ...calls.map(({ op }) => op)].join(' ')),
        ['create-order try confirm', 'pay try confirm', 'reserve-stock try confirm', 'ship action', 'notify action'],
      );
      const other = await place(id, {});
      assert.equal(other.code, 2);
      assert.match(other.stderr[0] ?? '', /was started before as .*: nothing was started/);
    });

    it('that is asked for by TCC and refused leaves nothing: exit code 1', async () => {
      const id = newId();
      const undone = await place(id, { amount: 1_000_000 }, '--scheme', 'tcc');
      assert.deepEqual([undone.code, undone.stdout, undone.stderr.length], [1, '', 1]);
      assert.match(undone.stderr[0] ?? '', new RegExp(`^order-${id} was undone: pay: InsufficientFunds: `));
      assert.equal((await world.run('books')).code, 0);
    });

    it('of an order that is undone: exit code 1, and why, on stderr', async () => {
      const id = newId();
      const undone = await place(id, { amount: 1_000_000 });
      assert.deepEqual([undone.code, undone.stdout, undone.stderr.length], [1, '', 1]);
      assert.match(
        undone.stderr[0] ?? '',
        new RegExp(`^order-${id} was undone: pay: InsufficientFunds: .*; undone: create-order$`),
      );
      const again = await place(id, { amount: 1_000_000 }, '--json');
      assert.equal(again.code, 1);
      assert.equal(again.json<Failed>().error.type, 'TransactionCompensated');
    });

    it('again gives the first outcome; with other content it is refused: exit code 2', async () => {
      const id = newId();
      const [first, second] = [await place(id, {}, '--json'), await place(id, {}, '--json')];
      assert.equal(second.code, 0);
      assert.deepEqual(second.json(), first.json());
      const other = await place(id, { units: 2 });
      assert.deepEqual([other.code, other.stderr.length], [2, 1]);
      assert.match(other.stderr[0] ?? '', /was started before with other content: nothing was started/);
    });

    it('of two callers at once gives both the one outcome', async () => {
      const id = newId();
      const [one, two] = await Promise.all([place(id, {}, '--json'), place(id, {}, '--json')]);
      assert.deepEqual([one.code, two.code], [0, 0]);
      assert.deepEqual(one.json(), two.json());
    });

    it('with --undo background does not wait for the undo: exit code 3, then 1', async () => {
      const id = `slow-${newId()}`;
      const pending = await place(id, { amount: 1_000_000 }, '--undo', 'background', '--json');
      assert.equal(pending.code, 3);
      const { error } = pending.json<Failed>();
      assert.deepEqual([error.type, error.gid, error.state], ['TransactionPending', `order-${id}`, 'compensating']);
      const shown = await world.run('order', 'show', id);
      assert.equal(shown.code, 3, shown.stdout);
      assert.match(shown.stdout, /is being undone/);
      assert.equal((await place(id, { amount: 1_000_000 })).code, 1);
    });
  });

  describe('order place --file', () => {
    it('places all, counts outcomes and reasons, and goes on where it was when it is run again', async () => {
      const prefix = newId();
      const lines = Array.from({ length: 40 }, (_, n) => ({
        orderId: `${prefix}-${n}`,
        customerId: 'c2',
        amount: n % 10 === 0 ? 1_000_000 : 10,
      }));
      const file = await world.ordersFile(lines);
      const first = await world.run('order', 'place', '--file', file, '--concurrency', '10', '--json');
      // A machine that is slow is told how far it is.
      const noted = first.stderr.filter((line) => !/^\d+\/40 orders$/.test(line));
      assert.deepEqual([first.code, noted], [1, []]);
      const report = first.json<PlacingReport & { orders: number }>();
      assert.deepEqual([report.orders, report.done, report.placed, report.undone], [40, 40, 36, 4]);
      assert.deepEqual(report.reasons, { InsufficientFunds: 4 });
      assert.equal(report.failures.length, 4);
      assert.ok(report.latencyMs.p50 > 0 && report.latencyMs.p50 <= report.latencyMs.p99);

      const again = await world.run('order', 'place', '--file', file);
      assert.equal(again.code, 1);
      assert.match(again.stdout, /^40 of 40 orders in .*: 36 placed, 4 undone$/m);
      assert.match(again.stdout, /^ {2}4 × InsufficientFunds$/m);
      assert.match(again.stdout, /^latency p50 \d+ ms, p99 \d+ ms/m);
    });

    it('of which all are placed: exit code 0', async () => {
      const file = await world.ordersFile([
        { customerId: 'c2', amount: 1 },
        { customerId: 'c2', amount: 1 },
      ]);
      assert.equal((await world.run('order', 'place', '--file', file)).code, 0);
    });

    it('with bad lines reports them with their numbers, and starts nothing', async () => {
      const id = newId();
      const file = await world.ordersFile([{ orderId: id }, 'a,b', { orderId: newId(), units: -1 }, { orderId: id }]);
      const { code, stdout, stderr } = await world.run('order', 'place', '--file', file);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr[0] ?? '', /3 of 4 orders are wrong; nothing was started/);
      assert.deepEqual(
        stderr.slice(1).map((line) => line.slice(file.length, file.length + 3)),
        [':3:', ':4:', ':5:'],
      );
      assert.equal((await world.run('order', 'show', id)).code, 2, 'an order was started');
      const json = await world.run('order', 'place', '--file', file, '--json');
      assert.deepEqual([json.code, json.json<Failed>().error.issues?.length], [2, 3]);
    });

    it('that is interrupted says how far it was, and that it can be started again', async () => {
      const held = `held-${newId()}`;
      const lines = Array.from({ length: 20 }, () => ({ customerId: 'c2', amount: 1 }));
      const file = await world.ordersFile([{ orderId: held, customerId: 'c2', amount: 1 }, ...lines]);
      const running = world.start('order', 'place', '--file', file, '--concurrency', '4');
      while ((await world.run('order', 'show', held)).code !== 3);
      running.child.kill('SIGINT');
      const { code, stdout } = await running.ended;
      assert.equal(code, 3);
      assert.match(stdout, /^stopped after \d+ of 21: interrupted.* run the same command again/m);
      assert.equal((await world.run('order', 'place', '--file', file)).code, 0);
    });
  });

  describe('order show, tx show, tx list', () => {
    it('tell an order in words, and its transaction as a table with its page in the Web UI', async () => {
      const [placed, undone] = [newId(), newId()];
      await Promise.all([place(placed, {}), place(undone, { amount: 1_000_000 })]);
      const told = await world.run('order', 'show', placed);
      assert.equal(told.code, 0);
      assert.match(told.stdout, new RegExp(`^order ${placed}: was placed\n  ✓ create-order: `));
      assert.match(told.stdout, new RegExp(`  ✓ pay: pay 1.00 for order ${placed}`));

      const shown = await world.run('tx', 'show', `order-${undone}`);
      assert.equal(shown.code, 1);
      assert.match(shown.stdout, /│ orders\.create\.compensation +│ succeeded +│ 1 /);
      assert.match(shown.stdout, /│ payments\.charge\.action +│ rejected +│ 1 .*InsufficientFunds: customer c1 has/);
      assert.match(shown.stdout, /^undone: create-order$/m);
      assert.match(
        shown.stdout,
        new RegExp(`^http://127.0.0.1:8233/namespaces/default/workflows/order-${undone}/[-0-9a-f]+/history$`, 'm'),
      );
      const json = await world.run('order', 'show', undone, '--json');
      assert.equal(json.json<ShownTransaction & { orderId: string }>().orderId, undone);
    });

    it('of an unknown id say so in one line: exit code 2', async () => {
      for (const args of [
        ['order', 'show', 'none'],
        ['tx', 'show', 'order-none'],
      ]) {
        const { code, stdout, stderr } = await world.run(...args);
        assert.deepEqual([code, stdout, stderr], [2, '', ["no transaction order-none in namespace 'default'"]]);
      }
    });

    it('list transactions by state, at most so many', async () => {
      const id = newId();
      await place(id, { amount: 1_000_000 });
      const list = async (...args: string[]) => {
        const { code, json } = await world.run('tx', 'list', '--json', ...args);
        assert.equal(code, 0);
        return json<{ transactions: ListedTransaction[] }>().transactions;
      };
      // The list follows with a delay.
      while (!(await list('--state', 'compensated')).some(({ gid }) => gid === `order-${id}`));
      assert.equal((await list('--limit', '2')).length, 2);
      assert.deepEqual(await list('--scheme', 'message', '--state', 'stuck'), []);
      assert.match(
        (await world.run('tx', 'list', '--scheme', 'message', '--state', 'stuck')).stdout,
        /^no transactions$/m,
      );
      assert.match((await world.run('tx', 'list', '--limit', '1')).stdout, /│ gid +│ state/);
      const alone = await world.run('tx', 'list', '--limit', '1', '--task-queue', `unserved-${id}`);
      assert.deepEqual([alone.code, alone.stderr.length], [0, 2]);
      assert.match(
        alone.stderr[0] ?? '',
        /^transactions that are no workflows are missing: no worker serves task queue/,
      );
      const wrong = await world.run('tx', 'list', '--state', 'lost');
      assert.equal(wrong.code, 2);
      assert.match(wrong.stderr[0] ?? '', /Allowed choices are running, compensating/);
    });
  });

  describe('books', () => {
    it('prove that all adds up: exit code 0, figures and a ✓ for each check', async () => {
      await place(newId(), {});
      const { code, stdout } = await world.run('books');
      assert.equal(code, 0, stdout);
      assert.match(stdout, /^depositedCents +200\.00$/m);
      assert.match(stdout, /^✓ wallets \+ frozen \+ captured - refunded = deposited$/m);
      assert.match(stdout, /^The books balance\.$/m);
      assert.doesNotMatch(stdout, /✗/);
      const books = (await world.run('books', '--json')).json<Books>();
      assert.deepEqual([books.balanced, books.differenceCount, books.figures.initialUnits], [true, 0, 1_000]);
    });
  });

  describe('shop open', () => {
    it('refuses what cannot be', async () => {
      const file = await world.ordersFile([{}]);
      const { code, stderr } = await world.run('shop', 'open', '--file', file, '--wallet', '-1');
      assert.equal(code, 2);
      assert.match(stderr[0] ?? '', /give a whole number from 0/);
      assert.equal((await world.run('shop', 'open')).code, 2);
    });
  });

  describe('every command', () => {
    it('without a server ends within seconds: exit code 2, one line that says what to do', async () => {
      const file = await world.ordersFile([{}]);
      const all = [
        ['order', 'place', '--order', order('x')],
        ['order', 'place', '--file', file],
        ['tx', 'list'],
        ['books'],
      ];
      const runs = await Promise.all(all.map((args) => world.run(...args, '--address', '127.0.0.1:1')));
      for (const { code, stdout, stderr } of runs) {
        assert.deepEqual([code, stdout, stderr.length], [2, '', 1]);
        assert.match(
          stderr[0] ?? '',
          /^no Temporal server can be used at 127\.0\.0\.1:1 \(.+\): start it \(from a checkout: npm run dev\), or name another/,
        );
      }
    });

    it('without a worker ends within seconds, and says so: what was started goes on when there is one', async () => {
      const queue = ['--task-queue', `unserved-${newId()}`];
      const file = await world.ordersFile([{}]);
      const all = [['books'], ['order', 'place', '--file', file], ['shop', 'open', '--file', file]];
      for (const { code, stdout, stderr } of await Promise.all(all.map((args) => world.run(...args, ...queue)))) {
        assert.deepEqual([code, stdout, stderr.length], [2, '', 1]);
        assert.match(
          stderr[0] ?? '',
          /^no worker serves task queue 'unserved-.*: start one \(from a checkout: npm run worker\); nothing was done$/,
        );
      }
      const id = newId();
      const { code, stderr } = await place(id, {}, ...queue);
      assert.equal(code, 3);
      assert.match(stderr[0] ?? '', /has not ended yet \(running\); no worker serves task queue/);
      assert.equal((await world.run('order', 'show', id, ...queue)).code, 3);
    });

    it('in a namespace that is not there says so', async () => {
      const { code, stderr } = await world.run('tx', 'list', '--namespace', 'nowhere');
      assert.deepEqual([code, stderr.length], [2, 1]);
      assert.match(stderr[0] ?? '', /has no namespace 'nowhere'/);
    });

    it('alarm test: alarms go to the log of a worker that has no receiver for them', async () => {
      const { code, stdout } = await world.run('alarm', 'test');
      assert.equal(code, 0);
      assert.match(
        stdout,
        /^the test alarm was delivered to the log of the worker, and nowhere else: give the worker BACKSTITCH_/,
      );
    });
  });
});
