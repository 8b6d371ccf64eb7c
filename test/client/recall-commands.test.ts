import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Books } from '../../src/contracts/shop.js';
import type { ShownTransaction } from '../../src/kit/client/index.js';
import { openClientWorld, runWithin, type ClientWorld, type ProgramRun } from './support.js';

describe('the command line of a recall', function () {
  this.timeout(120_000);
  let world: ClientWorld;
  before(async () => {
    world = await openClientWorld('shipping.recall.action:fail=1000@recall-held-*');
    const file = await world.ordersFile([{ customerId: 'c1' }]);
    const opened = await world.run('shop', 'open', '--file', file, '--stock', '1000', '--json');
    assert.equal(opened.code, 0, opened.stderr.join('\n'));
  });
  after(() => world.close());

  const newId = (name = 'r') => `${name}-${randomUUID().slice(0, 8)}`;
  const place = (orderId: string, amount = 250, ...args: string[]) =>
    world.run('order', 'place', '--order', JSON.stringify({ orderId, customerId: 'c1', units: 2, amount }), ...args);
  const placed = async (name?: string) => {
    const id = newId(name);
    const { code, stderr } = await place(id);
    assert.equal(code, 0, stderr.join('\n'));
    return id;
  };
  const recall = (id: string, ...args: string[]) =>
    world.run('order', 'recall', id, '--reason', 'scratched', '--actor', 'ann', ...args);
  /** Asserts that a command was refused in one line that says why, and that nothing was started. */
  const refused = ({ code, stdout, stderr }: ProgramRun, why: RegExp) => {
    assert.deepEqual([code, stdout, stderr.length], [1, '', 1], stderr.join('\n'));
    assert.match(stderr[0] ?? '', why);
    assert.match(stderr[0] ?? '', /: nothing was started$/);
  };

  it('recalls an order; returned gives all back, and show tells the whole story', async () => {
    const id = await placed();
    const recalled = await recall(id);
    assert.deepEqual(
      [recalled.code, recalled.stdout, recalled.stderr],
      [0, `order ${id} is recalled: the carrier was asked for its parcel, and its customer told\n`, []],
    );
    const waiting = await world.run('order', 'show', id);
    assert.equal(waiting.code, 0);
    assert.match(waiting.stdout, new RegExp(`^recall-${id}: the order was recalled, and the carrier asked`, 'm'));
    assert.match(waiting.stdout, /^ {2}✓ correct: tell customer c1 that order .* is recalled$/m);

    const back = await world.run('order', 'returned', id, '--json');
    assert.deepEqual([back.code, back.stderr], [0, []]);
    assert.deepEqual(back.json(), {
      ...{ gid: `returned-${id}`, state: 'committed' },
      result: { orderId: id, refunded: 250, unitsReturned: 2, pointsReturned: 2 },
    });
    const ended = await world.run('order', 'show', id, '--json');
    const { recalls } = ended.json<ShownTransaction & { recalls: ShownTransaction[] }>();
    assert.deepEqual(
      recalls.map(({ gid, state }) => [gid, state]),
      [
        [`recall-${id}`, 'committed'],
        [`returned-${id}`, 'committed'],
      ],
    );
    const shown = await world.run('tx', 'show', `recall-${id}`);
    assert.match(shown.stdout, new RegExp(`^recall order ${id}, asked by ann: scratched$`, 'm'));
  });

  it('of a lost parcel refunds nothing, and show says so', async () => {
    const id = await placed();
    assert.equal((await recall(id)).code, 0);
    const lost = await world.run('order', 'lost', id, '--reason', 'burnt with the lorry');
    assert.deepEqual([lost.code, lost.stdout], [0, `order ${id} ended as lost: nothing was refunded\n`]);
    const { stdout } = await world.run('order', 'show', id);
    assert.match(stdout, new RegExp(`^lost-${id}: the parcel is lost: nothing was refunded$`, 'm'));
  });

  it('refuses to recall what is not placed, and an order can be recalled once it is', async () => {
    const [id, cancelled] = [newId(), newId()];
    refused(await recall(id), new RegExp(`^the shop has no order ${id}`));
    assert.equal((await place(cancelled, 1_000_000)).code, 1);
    refused(await recall(cancelled), /cannot be recalled, only a placed order can: it is cancelled/);
    assert.equal((await place(id)).code, 0);
    assert.equal((await recall(id)).code, 0, 'the refusal was no transaction');
  });

  it('refuses a second recall, with another reason and the same', async () => {
    const id = await placed();
    assert.equal((await recall(id)).code, 0);
    refused(await recall(id), new RegExp(`^order ${id} was recalled before`));
    refused(await recall(id, '--reason', 'torn'), new RegExp(`^order ${id} was recalled before`));
  });

  it('asked for twice at once recalls once', async () => {
    const id = await placed();
    const both = await Promise.all([recall(id, '--json'), recall(id, '--json')]);
    // The second joins the first or, if that has ended, is refused.
    const done = both.filter(({ code }) => code === 0);
    assert.ok(done.length > 0);
    for (const run of both) {
      if (done.includes(run)) assert.equal(run.json<{ gid: string }>().gid, `recall-${id}`);
      else assert.match(run.stdout, new RegExp(`order ${id} was recalled before`));
    }
  });

  it('refuses what a carrier cannot say: before it was asked, and after it has answered; it can say it then', async () => {
    const id = await placed();
    const say = (what: string) => world.run('order', what, id);
    refused(
      await say('returned'),
      new RegExp(`^order ${id} cannot be returned: the parcel of order ${id} was not rec`),
    );
    refused(await say('lost'), new RegExp(`^order ${id} cannot be lost: the parcel of order ${id} was not recalled`));
    assert.equal((await recall(id)).code, 0);
    assert.equal((await say('returned')).code, 0, 'the refusal was no transaction');
    refused(await say('returned'), new RegExp(`^order ${id} cannot be returned: its parcel was returned before`));
    refused(await say('lost'), new RegExp(`^order ${id} cannot be lost: its parcel was returned before`));
    refused(await recall(id), new RegExp(`^order ${id} was recalled before`));
  });

  const wrong: [string, string[], RegExp][] = [
    ['no reason', ['recall', 'a'], /required option '--reason <text>' not specified/],
    ['an empty reason', ['recall', 'a', '--reason', ' '], /^reason: " ": must be one line of 1 to 500 characters$/],
    ['a reason of two lines', ['recall', 'a', '--reason', 'a\nb'], /^reason: "a\\nb": must be one line/],
    ['an id that is none', ['returned', 'a b'], /^orderId: "a b": must be 1 to 64 letters/],
    ['no id', ['lost'], /missing required argument 'id'/],
  ];
  for (const [what, args, line] of wrong) {
    it(`refuses ${what}: exit code 2, without asking a server`, async () => {
      const { code, stdout, stderr } = await runWithin(['order', ...args], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
      assert.deepEqual([code, stdout, stderr.length], [2, '', 1], stderr.join('\n'));
      assert.match(stderr[0] ?? '', line);
    });
  }

  for (const command of ['recall', 'returned', 'lost']) {
    it(`has help: backstitch order ${command} --help`, async () => {
      const { code, stdout } = await world.run('order', command, '--help');
      assert.equal(code, 0);
      assert.match(stdout, /Exit codes: 0 done; 1 undone or refused/);
    });
  }

  it('places orders that announce themselves, one and a file of them', async () => {
    const [one, many] = [newId(), newId()];
    assert.equal((await place(one, 250, '--announce')).code, 0);
    const file = await world.ordersFile([{ orderId: many }]);
    assert.equal((await world.run('order', 'place', '--file', file, '--announce')).code, 0);
    for (const id of [one, many]) {
      const { stdout } = await world.run('order', 'show', id);
      assert.match(stdout, new RegExp(`^ {2}✓ announce: tell customer c1 that order ${id} came in$`, 'm'));
    }
  });

  it('and the books balance, with what came back and what was lost', async () => {
    const { code, stdout } = await world.run('books');
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^lost +1$/m);
    const { figures } = (await world.run('books', '--json')).json<Books>();
    assert.ok(figures.returned > 0 && figures.recalled > 0);
    assert.equal(figures.orders, figures.placed + figures.cancelled + figures.returned + figures.lost);
  });

  it('whose carrier does not answer goes on by itself: exit code 3, for whoever asks the same again too', async () => {
    const id = await placed('held');
    for (let time = 1; time <= 2; time++) {
      const { code, json } = await recall(id, '--wait', '1s', '--json');
      assert.equal(code, 3);
      const { type, gid } = json<{ error: { type: string; gid: string } }>().error;
      assert.deepEqual([type, gid], ['TransactionPending', `recall-${id}`]);
    }
    const other = await recall(id, '--reason', 'torn');
    assert.deepEqual([other.code, other.stderr.length], [2, 1]);
    assert.match(other.stderr[0] ?? '', /was started before with other content: nothing was started/);
  });
});
