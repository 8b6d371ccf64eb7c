import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Client, type Connection } from '@temporalio/client';
import pg from 'pg';
import { serviceNames, type ServiceName } from '../../src/activities/index.js';
import { placeOrderTransaction } from '../../src/contracts/transactions.js';
import {
  countDesk,
  showTransaction,
  transactionClient,
  type ReconcileReport,
  type ShownTransaction,
  type StuckTransaction,
} from '../../src/kit/client/index.js';
import { testDatabase, type TestDatabase } from '../support/servers.js';
import { until } from '../support/until.js';
import { openClientWorld, type ClientWorld } from './support.js';
import { connectTo } from '../support/connection.js';

describe('the command line of the desk', function () {
  this.timeout(120_000);
  let world: ClientWorld;
  let operations: TestDatabase;
  let connection: Connection;
  let client: Client;
  before(async () => {
    operations = await testDatabase('operations');
    world = await openClientWorld(
      'inventory.reserve.action:refuse@order-stuck-*,payments.charge.action:hang@order-slow-*',
      operations.url,
    );
    connection = await connectTo(world.address);
    client = new Client({ connection });
    const file = await world.ordersFile([{ customerId: 'c1' }]);
    const opened = await world.run('shop', 'open', '--file', file, '--stock', '1000', '--json');
    assert.equal(opened.code, 0, opened.stderr.join('\n'));
  });
  after(async () => {
    await connection.close();
    await world.close();
    await operations.drop();
  });

  const breakRefunds = () => {
    world.faults.set({ function: 'payments.charge.compensation', kind: 'fail', attempts: 1_000, gid: 'order-stuck-*' });
  };
  const mend = () => {
    world.faults.clear();
    world.faults.set({ function: 'inventory.reserve.action', kind: 'refuse', gid: 'order-stuck-*' });
  };

  /** Orders whose payment cannot be refunded: they wait at the desk. @returns their gids */
  async function stuck(count: number, group: string): Promise<string[]> {
    breakRefunds();
    const placeOrder = transactionClient(client, { taskQueue: world.env.BACKSTITCH_TASK_QUEUE ?? '' }).of(
      placeOrderTransaction,
    );
    const gids = await Promise.all(
      Array.from({ length: count }, async () => {
        const orderId = `stuck-${group}-${randomUUID().slice(0, 8)}`;
        const order = { orderId, customerId: 'c1', units: 1, amount: 100 };
        return (await placeOrder.start(order, { compensationWindow: '3 seconds' })).gid;
      }),
    );
    // The server's list lags behind.
    await until(async () => (await countDesk(client, { where: whereOf(group) })) >= count);
    return gids;
  }
  /** As the server's retention does. */
  async function forget(gid: string): Promise<void> {
    await client.workflowService.deleteWorkflowExecution({
      ...{ namespace: 'default', workflowExecution: { workflowId: gid } },
    });
    await until(() =>
      client.workflow
        .getHandle(gid)
        .describe()
        .then(
          () => false,
          () => true,
        ),
    );
  }
  /** With the rules of the database switched off. */
  async function sqlOf(service: ServiceName, text: string, values: unknown[] = []): Promise<void> {
    const pool = new pg.Pool({ connectionString: world.databaseEnv[`DATABASE_URL_${service.toUpperCase()}`], max: 1 });
    await pool.query('set session_replication_role = replica');
    await pool.query(text, values);
    await pool.end();
  }
  const whereOf = (group: string) => `WorkflowId STARTS_WITH 'order-stuck-${group}'`;
  const ended = async (gid: string) => {
    const handle = client.workflow.getHandle(gid);
    await handle.result().catch(() => undefined);
    return (await world.run('tx', 'show', gid, '--json')).json<ShownTransaction>();
  };

  it('lists what waits, and says how many there are', async () => {
    const gids = await stuck(2, 'list');
    const list = await world.run('desk', 'list', '--where', whereOf('list'), '--branch', 'pay', '--json');
    assert.deepEqual([list.code, list.stderr], [0, []]);
    const { total, transactions } = list.json<{ total: number; transactions: StuckTransaction[] }>();
    assert.equal(total, 2);
    assert.deepEqual(transactions.map(({ gid }) => gid).sort(), gids.toSorted());
    assert.deepEqual(transactions[0]?.branches, ['pay']);
    const none = await world.run('desk', 'list', '--where', whereOf('list'), '--branch', 'ship');
    assert.match(none.stdout, /nothing waits at the desk/);
    const text = await world.run('desk', 'list', '--where', whereOf('list'), '--limit', '1');
    assert.match(text.stdout, /… and 1 more/);
  });

  it('shows one: what was done, what was not, the last error, the input, and what may be decided', async () => {
    const [gid = ''] = await stuck(1, 'show');
    const shown = await world.run('desk', 'show', gid);
    assert.equal(shown.code, 4);
    assert.match(shown.stdout, /compensation of 'pay' waits since/);
    assert.match(shown.stdout, /last error: .*InjectedFault: /);
    assert.match(shown.stdout, /input: \{"orderId":"stuck-show/);
    assert.match(shown.stdout, /decide: retry \(also with --input\), resolve, skip/);
    const order = gid.replace('order-', '');
    const again = await world.run(
      'order',
      'place',
      '--order',
      JSON.stringify({ orderId: order, customerId: 'c1', units: 1, amount: 100 }),
    );
    assert.equal(again.code, 4);
    assert.match(again.stderr.join('\n'), /it waits for a person: backstitch desk show order-stuck-show/);
  });

  it('decides about one, and keeps who and why', async () => {
    const [gid = ''] = await stuck(1, 'one');
    mend();
    const decided = await world.run('desk', 'retry', gid, '--actor', 'ann', '--reason', 'the bank is back', '--json');
    assert.deepEqual([decided.code, decided.stderr], [0, []]);
    const transaction = await ended(gid);
    assert.equal(transaction.state, 'compensated');
    assert.deepEqual(
      transaction.decisions.map(({ actor, reason, action }) => ({ actor, reason, action })),
      [{ actor: 'ann', reason: 'the bank is back', action: 'retry' }],
    );
    const late = await world.run('desk', 'skip', gid, '--branch', 'pay', '--actor', 'bob', '--reason', 'late');
    assert.equal(late.code, 2);
    assert.match(
      late.stderr.join('\n'),
      /no transaction order-stuck-one-\w+ runs in namespace 'default': it has ended/,
    );
  });

  it('refuses what does not fit: exit code 1, one line that says what would', async () => {
    const [gid = ''] = await stuck(1, 'fit');
    const who = ['--actor', 'ann', '--reason', 'a test'];
    const forward = await world.run('desk', 'forward', gid, ...who);
    assert.equal(forward.code, 1);
    assert.match(forward.stderr.join('\n'), /'forward' does not fit branch 'pay'.*what fits is retry, resolve, skip/);
    assert.equal(forward.stderr.length, 1);
    const other = await world.run('desk', 'retry', gid, '--branch', 'ship', ...who);
    assert.match(other.stderr.join('\n'), /'ship' does not wait for a decision: what waits is pay/);
    const missing = await world.run('desk', 'retry', gid, '--actor', 'ann');
    assert.equal(missing.code, 2);
    assert.match(missing.stderr.join('\n'), /--reason/);
    const json = await world.run('desk', 'retry', gid, '--input', '{', ...who);
    assert.equal(json.code, 2);
    assert.match(json.stderr.join('\n'), /--input is no JSON/);
    const filter = await world.run('desk', 'list', '--where', 'Colour = 1');
    assert.equal(filter.code, 2);
    assert.match(filter.stderr.join('\n'), /where: .*the server does not understand it/);
    assert.equal(filter.stderr.length, 1);
  });

  it('decides about many: first it only shows of how many, with --yes it does it', async () => {
    const gids = await stuck(25, 'many');
    const bulk = ['desk', 'resolve', '--where', whereOf('many'), '--actor', 'ann', '--reason', 'refunded by hand'];
    const preview = await world.run(...bulk);
    assert.equal(preview.code, 0);
    assert.match(preview.stdout, /… and 15 more/);
    assert.match(preview.stderr.join('\n'), /resolve would be decided of 25 transactions: give --yes to do it/);
    assert.equal(await countDesk(client, { where: whereOf('many') }), 25, 'nothing was done');
    const done = await world.run(...bulk, '--yes', '--json');
    assert.equal(done.code, 0, done.stderr.join('\n'));
    assert.deepEqual(done.json(), { total: 25, transactions: 25, decided: 25, refused: {}, failures: [] });
    for (const gid of gids) {
      await client.workflow
        .getHandle(gid)
        .result()
        .catch(() => undefined);
      const { report } = await showTransaction(client, gid);
      assert.ok(report?.undone.includes('pay'));
    }
    mend();
    // Of four of them the server keeps nothing any more, and of two of these the guards neither; of two the log has kept what was decided.
    const [forgotten = '', logged = '', oldest = '', unheard = '', kept = ''] = gids.toSorted();
    for (const gid of [logged, oldest]) assert.equal((await world.run('log', gid)).code, 0);
    const { runId } = await client.workflow.getHandle(kept).describe();
    await Promise.all([forgotten, logged, oldest, unheard].map(forget));
    for (const service of serviceNames)
      await sqlOf(service, `delete from backstitch.guard where gid = any ($1)`, [[oldest, unheard]]);
    // What was done later, and is kept, tells nothing of what was done before.
    await sqlOf(
      'payments',
      `insert into backstitch.guard (gid, branch, phase, op, outcome, input_hash, driver, seq, function, who, attempt, ended_at)
      values ($1, 'later', 1, 'action', 'applied', '', 'workflow:' || $2::text, 1, 'payments.charge.action', 'test', 1, now())`,
      [`${forgotten}.later.1`, runId],
    );
    // The rows look as if the money had been forgotten: who has given it back by hand is not asked to pay twice.
    const repair = ['reconcile', '--pairs', 'orders-payments', '--young', '1ms', '--repair'];
    const repaired = await world.run(...repair, '--actor', 'bob', '--reason', 'the daily figures', '--json');
    assert.equal(repaired.code, 1, repaired.stderr.join('\n'));
    const { findings, opened } = repaired.json<ReconcileReport>();
    const settled = { class: 'paid-but-cancelled', state: 'at-desk' };
    assert.deepEqual(
      findings.map(({ class: name, key, state }) => ({ class: name, gid: `order-${key}`, state })),
      gids.toSorted().map((gid) => ({ gid, ...settled })),
    );
    assert.equal(opened, gids.length);
    const decided = gids.toSorted().map((gid) => `ann has decided 'resolve' of 'pay' in ${gid}: refunded by hand`);
    for (const [place, gid] of [forgotten, '', '', unheard].entries())
      if (gid !== '')
        decided[place] = `whether a person has decided about ${gid} is not known: its history is not kept any more`;
    assert.deepEqual(
      findings.map(({ note }) => note),
      decided,
    );
    // Nor by a person who asks for it, where the decision is known; where it is not, who asks has read that.
    const [first, second] = findings.map(({ key }) => `reconcile/paid-but-cancelled/${key}`);
    for (const drift of [first, second]) {
      const asked = await world.run('desk', 'retry', drift ?? '', '--actor', 'bob', '--reason', 'once more');
      assert.equal(asked.code, 0, asked.stderr.join('\n'));
    }
    assert.equal(await client.workflow.getHandle(first ?? '').result(), 'gone', 'it is repaired');
    // It is looked at again, and waits again.
    let shown = '';
    await until(async () => {
      const { code, stdout } = await world.run('desk', 'show', second ?? '');
      shown = stdout;
      return code === 4;
    });
    assert.match(shown, /ann has decided 'resolve' of 'pay'/);
  });

  it('keeps a finding that a person has left from repairs when the server has forgotten its case', async () => {
    breakRefunds();
    mend();
    const order = { orderId: 'stuck-left', customerId: 'c1', units: 1, amount: 100 };
    assert.equal((await world.run('order', 'place', '--order', JSON.stringify(order))).code, 1);
    await sqlOf(
      'payments',
      `update payments set status = 'captured', refunded_at = null where order_id = 'stuck-left'`,
    );
    const repair = async () => {
      const by = ['--repair', '--actor', 'bob', '--reason', 'the daily figures'];
      const run = await world.run('reconcile', '--pairs', 'orders-payments', '--young', '1ms', ...by, '--json');
      assert.equal(run.code, 1, run.stderr.join('\n'));
      return run.json<ReconcileReport>().findings.find(({ key }) => key === order.orderId);
    };
    world.faults.set({ function: 'reconcile.paid-but-cancelled', kind: 'fail', attempts: 1_000, gid: 'reconcile/*' });
    const found = await repair();
    assert.equal(found?.state, 'at-desk', JSON.stringify(found));
    const drift = 'reconcile/paid-but-cancelled/stuck-left';
    const skipped = await world.run('desk', 'skip', drift, '--actor', 'ann', '--reason', 'paid outside');
    assert.equal(skipped.code, 0, skipped.stderr.join('\n'));
    assert.equal(await client.workflow.getHandle(drift).result(), 'left');
    assert.equal((await world.run('log', drift)).code, 0);
    await forget(drift);
    mend();
    assert.equal((await repair())?.state, 'left');
  });

  it('cancels, pauses and resumes a transaction, and moves its deadline', async () => {
    const orderId = `slow-${randomUUID().slice(0, 8)}`;
    const gid = `order-${orderId}`;
    const order = JSON.stringify({ orderId, customerId: 'c1', units: 1, amount: 100 });
    world.faults.set({ function: 'payments.charge.action', kind: 'hang', gid });
    const placing = world.start('order', 'place', '--order', order, '--deadline', '1 hour');
    const show = async () => (await world.run('tx', 'show', gid, '--json')).json<ShownTransaction>();
    // Until it was started there is nothing to show.
    const isPaying = (shown: Partial<ShownTransaction>) => shown.branches?.at(-1)?.branch === 'pay';
    await until(async () => isPaying(await show()));
    const who = ['--actor', 'ann', '--reason', 'a test'];
    const run = async (...args: string[]) => {
      const { code, stderr } = await world.run('tx', ...args, ...who);
      return [code, stderr.join('\n')] as const;
    };
    assert.deepEqual(await run('pause', gid), [0, '']);
    assert.match((await run('pause', gid))[1], /it is paused already, by ann/);
    assert.deepEqual(await run('deadline', gid, '--in', '2 hours'), [0, '']);
    assert.equal((await run('deadline', gid))[0], 2);
    const { paused, deadlineAt, startedAt, operations } = await show();
    assert.equal(paused?.actor, 'ann');
    assert.ok(Date.parse(deadlineAt ?? '') - Date.parse(startedAt) > 2 * 3_600_000 - 1);
    assert.equal(operations.length, 2);
    assert.deepEqual(await run('resume', gid), [0, '']);
    assert.deepEqual(await run('cancel', gid), [0, '']);
    world.faults.clear();
    const placed = await placing.ended;
    assert.equal(placed.code, 1, placed.stderr.join('\n'));
    assert.match(placed.stdout + placed.stderr.join('\n'), /cancelled by ann: a test/);
    assert.match((await run('cancel', gid))[1], /no transaction .* runs/);
  });
});
