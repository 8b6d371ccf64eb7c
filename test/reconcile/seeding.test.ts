import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createShop } from '../../src/activities/index.js';
import type { ReconcileReport } from '../../src/kit/client/index.js';
import type { AlarmsView } from '../../src/kit/workflow/index.js';
import { until } from '../support/until.js';
import { balance, copyOrders, shapeOf } from './copies.js';
import { balanceFaults } from './more-faults.js';
import { copyFlying, copyHealthy } from './real-lives.js';
import { poolFaults } from './sale-faults.js';
import { makeReal, openReconcileWorld, seed, type ReconcileWorld, type Seeded } from './world.js';

const HEALTHY = Number(process.env.BACKSTITCH_RECONCILE_HEALTHY ?? 2_000);
const FLYING = Number(process.env.BACKSTITCH_RECONCILE_FLYING ?? 50);
/** Of them, those that live for weeks. */
const LIVING = 2 * Math.ceil(FLYING / 10);

describe('reconciliation of a shop whose books were damaged', function () {
  this.timeout(1_800_000);
  let world: ReconcileWorld;
  let seeded: Seeded;
  before(async () => {
    world = await openReconcileWorld();
    await makeReal(world);
  });
  after(() => world.close());

  const reconcile = async (code: number, ...args: string[]): Promise<ReconcileReport> => {
    const run = await world.run('reconcile', '--json', ...args);
    assert.equal(run.code, code, [...run.stderr, run.stdout].join('\n').slice(0, 4_000));
    return run.json<ReconcileReport>();
  };
  const found = ({ findings }: ReconcileReport, ...states: string[]) =>
    findings
      .filter(({ state }) => states.length === 0 || states.includes(state))
      .map(({ class: name, key }) => `${name} ${key}`)
      .toSorted();
  const flying = ({ pairs }: ReconcileReport) => pairs.reduce((sum, { inFlight }) => sum + inFlight, 0);
  const without = (all: readonly string[], those: readonly string[]) =>
    all.filter((each) => !those.includes(each)).toSorted();

  it('finds nothing where nothing was damaged, though orders of every kind are there, and some on their way', async () => {
    const { databases } = world;
    const [most, rest] = [Math.ceil(HEALTHY * 0.6), Math.floor(HEALTHY * 0.2)];
    await copyOrders(databases, 'tpl-placed', `(select 'h-' || n from generate_series(1, ${most}) as n)`);
    await copyOrders(databases, 'tpl-refunded', `(select 'r-' || n from generate_series(1, ${rest}) as n)`);
    // Those that live have a machine each, which takes longer than a copy.
    await copyHealthy(world, Math.ceil(HEALTHY * 0.025), Math.ceil(HEALTHY * 0.0025));
    assert.deepEqual(
      await shapeOf(databases, 'h-1'),
      await shapeOf(databases, 'real-placed'),
      'a copy is like a real one',
    );
    await balance(databases);
    const report = await reconcile(0);
    assert.deepEqual(found(report), []);
    assert.equal(report.isClean, true);
    const [payments] = report.pairs;
    assert.ok((payments?.rows[0] ?? 0) >= most, JSON.stringify(payments));
    // The one that waits for its customer: its stock is reserved, and it is not placed.
    assert.ok(flying(report) >= 1, JSON.stringify(report.pairs));
  });

  it(`finds every class of damage among ${HEALTHY} healthy orders and ${FLYING} on their way, and nothing else`, async () => {
    const { databases, client } = world;
    seeded = await seed(world);
    // What is on its way: by the age of its last step, by its announcement, and by a workflow that runs.
    await copyOrders(databases, 'tpl-placed', `(select 'fl-young-' || n from generate_series(1, ${FLYING}) as n)`);
    await copyOrders(databases, 'tpl-placed', `(select 'fl-told-' || n from generate_series(1, ${FLYING}) as n)`);
    await copyOrders(databases, 'tpl-placed', `(values ('fl-runs-1'), ('fl-runs-2'))`);
    const open = `update orders set status = 'created', ended_at = null where order_id like 'fl-%'`;
    await world.damage('orders', open);
    await world.damage(
      'payments',
      `update backstitch.guard set ended_at = now() + interval '1 hour' where gid like 'order-fl-young-%'`,
    );
    await world.damage(
      'orders',
      `insert into backstitch.announcements (gid, owner, take_over_at)
      select 'order-fl-told-' || n, 'somebody', now() + interval '1 hour' from generate_series(1, ${FLYING}) as n`,
    );
    await copyFlying(world, LIVING);
    for (const n of [1, 2]) {
      await client.workflow.start('placeOrder', { workflowId: `order-fl-runs-${n}`, taskQueue: 'nobody', args: [{}] });
    }
    await balance(databases);
    for (const { service, sql, expect } of [...balanceFaults, ...poolFaults]) {
      await world.damage(service, sql);
      seeded.expected.push(expect.join(' '));
    }

    const html = join(tmpdir(), `reconcile-${process.pid}.html`);
    const report = await reconcile(1, '--html', html);
    assert.deepEqual(found(report), seeded.expected.toSorted());
    assert.equal(new Set(report.findings.map(({ class: name }) => name)).size, classesOf(world).length);
    assert.ok(flying(report) >= 2 * FLYING + LIVING + 3, `${flying(report)} in flight`);
    assert.deepEqual([report.repaired, report.opened], [false, 0], 'nothing is done about it unless that is asked');
    assert.match(await readFile(html, 'utf8'), /<svg[^]*paid-but-cancelled/);
    await rm(html);
    const none = await reconcile(0, '--since', '2100-01-01', '--pairs', 'orders-payments,transfers');
    assert.deepEqual(
      none.pairs.map(({ rows }) => rows),
      [
        [0, 0],
        [0, 0],
      ],
    );
    const early = await world.run('reconcile', '--wait', '1');
    assert.deepEqual([early.code, early.stdout], [3, '']);
  });

  it('repairs what has a safe repair, once, with who and why in the log, and takes all else to the desk, once', async () => {
    for (const wrong of [['--repair'], ['--pairs', 'orders-nothing']]) {
      const refused = await world.run('reconcile', ...wrong);
      assert.deepEqual([refused.code, refused.stdout, refused.stderr.length], [2, '', 1]);
    }
    const by = ['--repair', '--actor', 'ann', '--reason', 'seeded faults'];
    const report = await reconcile(1, ...by);
    assert.deepEqual(found(report, 'repaired'), seeded.repaired.toSorted());
    assert.deepEqual(found(report, 'at-desk'), without(seeded.expected, seeded.repaired));
    assert.equal(report.opened, seeded.expected.length - seeded.repaired.length);
    const [row] = await world.databases.payments.run<{ who: string }>(
      `select who from backstitch.guard where gid like 'reconcile/paid-but-cancelled/%'`,
    );
    assert.equal(row?.who, 'ann: seeded faults');

    const alarms = world.client.workflow.getHandle(`${world.env.BACKSTITCH_TASK_QUEUE ?? ''}-alarms`);
    await until(async () => {
      const { waiting, counts } = await alarms.query<AlarmsView>('alarms');
      return waiting + counts.delivered + counts.overTheRate >= report.opened;
    });

    // What a repair has sent is on its way: it arrives, and then the transfer that it belongs to is whole, too.
    const mended = [...seeded.repaired, 'half-transfer transfer-message'];
    const left = without(seeded.expected, mended);
    let again: ReconcileReport | undefined;
    await until(async () => {
      again = await reconcile(1);
      return JSON.stringify(found(again)) === JSON.stringify(left);
    }).catch(() => undefined);
    assert.deepEqual(found(again ?? assert.fail()), left);
    const { opened } = await reconcile(1, ...by);
    assert.equal(opened, 0, 'a finding that has a case gets no second one');
  });

  it('looks again when a person says that it was put right, and lets be what a person leaves', async () => {
    const id = (name: string) => seeded.expected.find((each) => each.startsWith(`${name} `))?.replace(' ', '/') ?? '';
    const decide = (action: string, gid: string) =>
      world.run('desk', action, gid, '--branch', 'drift', '--actor', 'bob', '--reason', 'checked');
    const [unpaid, points] = [`reconcile/${id('placed-but-unpaid')}`, `reconcile/${id('points-differ')}`];
    assert.equal((await decide('skip', unpaid)).code, 0);
    assert.equal((await decide('resolve', points)).code, 0);
    const states = async () => {
      const { findings } = await reconcile(1, '--pairs', 'orders-payments,orders-points');
      const of = (gid: string) => findings.find(({ class: name, key }) => `reconcile/${name}/${key}` === gid)?.state;
      return [of(unpaid), of(points)];
    };
    // Nothing was put right: it waits again.
    await until(async () => JSON.stringify(await states()) === JSON.stringify(['left', 'at-desk']));
    const order = points.split('/')[2] ?? '';
    await world.damage('orders', `update point_entries set amount = amount + 1 where order_id = '${order}'`);
    await until(async () => (await decide('resolve', points)).code === 0);
    assert.equal(await world.client.workflow.getHandle(points).result(), 'gone');
    assert.deepEqual(await states(), ['left', undefined]);
  });

  it('names and repairs what can be, behind however many that cannot', async () => {
    const { databases } = world;
    const many = 350;
    await copyOrders(databases, 'tpl-placed', `(select 'a-hides-' || n from generate_series(1, ${many}) as n)`);
    await world.damage('payments', `delete from payments where order_id like 'a-hides-%'`);
    await copyOrders(databases, 'tpl-refunded', `(values ('z-hidden'))`);
    await world.damage(
      'payments',
      `update payments set status = 'captured', refunded_at = null where order_id = 'z-hidden';
      delete from wallet_entries where order_id = 'z-hidden' and kind = 'refund'`,
    );
    const report = await reconcile(1, '--pairs', 'orders-payments', '--repair', '--actor', 'ann', '--reason', 'hidden');
    assert.deepEqual(found(report, 'repaired'), ['paid-but-cancelled z-hidden']);
    assert.deepEqual([report.opened, report.findings.length], [100, 300]);
    const unpaid = report.pairs[0]?.drift['placed-but-unpaid'] ?? 0;
    assert.equal(unpaid, many + 1);
    assert.equal(
      report.pairs[0]?.left,
      1,
      'what a person has left is counted, though it is not among those that are named',
    );
  });
});

/** Every class that there is. */
function classesOf({ databases }: ReconcileWorld): string[] {
  return createShop({ databases }).pairs.flatMap(({ classes }) => Object.keys(classes));
}
