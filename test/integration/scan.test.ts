import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Client, ScheduleNotFoundError, type WorkflowHandle, type Connection } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import pg from 'pg';
import { serviceNames, type ServiceName } from '../../src/activities/index.js';
import { openShop, proveBooks } from '../../src/client/shop.js';
import type { TemporalSettings } from '../../src/config.js';
import { placeOrderTransaction } from '../../src/contracts/transactions.js';
import {
  applySchedules,
  decide,
  scanNow,
  scanSchedule,
  transactionClient,
  TransactionCompensated,
  type ScanReport,
  type StartOptions,
} from '../../src/kit/client/index.js';
import { scanActivities } from '../../src/kit/worker/scan.js';
import { foundState } from '../../src/kit/client/list.js';
import { TRANSACTION_QUERY, type TransactionView } from '../../src/kit/workflow/index.js';
import { createShopWorker, type ShopWorker } from '../../src/worker.js';
import { temporalAddress, testDatabase, type TestDatabase } from '../support/servers.js';
import { connectTo } from '../support/connection.js';

describe('the scan', function () {
  this.timeout(120_000);
  const databases: TestDatabase[] = [];
  const databaseUrls: Record<string, string> = {};
  const workers: ShopWorker[] = [];
  let connection: Connection;
  let client: Client;
  let where: TemporalSettings;
  let shop: ShopWorker;

  const startWorker = async (taskQueue: string): Promise<ShopWorker> => {
    const worker = await createShopWorker({ ...where, taskQueue }, { databaseUrls, poolSize: 10, faults: undefined });
    void worker.run();
    workers.push(worker);
    return worker;
  };

  before(async () => {
    const address = await temporalAddress();
    where = {
      address,
      namespace: 'default',
      connection: { address },
      taskQueue: `scan-${randomUUID()}`,
      ui: undefined,
    };
    for (const service of serviceNames) {
      const database = await testDatabase(service);
      databases.push(database);
      databaseUrls[service] = database.url;
    }
    connection = await connectTo(address);
    client = new Client({ connection });
    shop = await startWorker(where.taskQueue);
    await openShop(client, where, {
      customers: ['c1'],
      walletCents: 1_000_000,
      points: 1_000,
      sku: 'cd',
      units: 1_000,
    });
  });
  afterEach(async () => {
    shop.faults.clear();
    const books = await proveBooks(client, where);
    assert.deepEqual(books.differences, []);
  });
  after(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await connection.close();
    await Promise.all(databases.map((database) => database.drop()));
  });

  const start = async (options: StartOptions = {}, taskQueue = where.taskQueue) => {
    const orderId = randomUUID().slice(0, 8);
    const order = { orderId, customerId: 'c1', units: 1, amount: 100 };
    const placeOrder = transactionClient(client, { taskQueue }).of(placeOrderTransaction);
    const { gid } = await placeOrder.start(order, options);
    return { gid, handle: client.workflow.getHandle(gid), call: () => placeOrder(order, options) };
  };
  const databaseOf = (service: ServiceName) => async (text: string) => {
    const database = new pg.Client({ connectionString: databaseUrls[service] });
    await database.connect();
    try {
      return (await database.query<Record<string, unknown>>(text)).rows;
    } finally {
      await database.end();
    }
  };
  const scan = (): Promise<ScanReport> => scanNow(client, where);
  const viewOf = (handle: WorkflowHandle) => handle.query<TransactionView>(TRANSACTION_QUERY);

  /** Waits until the transaction is as it is asked. */
  const until = async (handle: WorkflowHandle, holds: (view: TransactionView) => boolean): Promise<TransactionView> => {
    for (;;) {
      const view = await viewOf(handle);
      if (holds(view)) return view;
    }
  };
  /** Scans until the list of the server, which lags, has shown what was terminated. */
  const scanFor = async (gid: string): Promise<ScanReport> => {
    for (;;) {
      const report = await scan();
      // Other tests may have left what no scan can settle.
      assert.deepEqual(
        report.failed.filter((each) => each.gid === gid),
        [],
      );
      if (report.settled.includes(gid)) return report;
    }
  };
  const stateOf = async (gid: string): Promise<string> => {
    const handle = client.workflow.getHandle(gid);
    await handle.result().catch(() => undefined);
    return foundState(await handle.describe());
  };
  const branch = (view: TransactionView, name: string) => view.branches.find((each) => each.branch === name);

  it('undoes what was terminated while a step was running, and a later caller hears of it', async () => {
    shop.faults.set({ function: 'payments.charge.action', kind: 'hang', gid: 'order-*' });
    const { gid, handle, call } = await start();
    await until(handle, (view) => branch(view, 'pay')?.state === 'running');
    await handle.terminate('a test');
    shop.faults.clear();
    await scanFor(gid);
    assert.equal(await stateOf(gid), 'compensated');
    await assert.rejects(
      call(),
      (error) => error instanceof TransactionCompensated && error.report.cause.type === 'Terminated',
    );
  });

  it('settles what was terminated in the lean lane, whose task goes on in its worker: all of it, or nothing', async () => {
    shop.faults.set({ function: 'payments.charge.action', kind: 'hang', gid: 'order-*' });
    const { gid, handle, call } = await start({ lane: 'lean' });
    await handle.terminate('a test');
    shop.faults.clear();
    await scanFor(gid);
    const state = await stateOf(gid);
    const heard = await call().then(
      () => 'committed',
      (error: unknown) => (error instanceof TransactionCompensated ? 'compensated' : String(error)),
    );
    // Which of the two, depends on how far the task had come when it was looked at; the books hold either way.
    assert.match(state, /^(committed|compensated)$/);
    assert.equal(heard, state);
  });

  it('settles what was terminated before its first task was completed: nothing of it happens', async () => {
    const taskQueue = `late-${randomUUID()}`;
    const { gid, handle } = await start({}, taskQueue);
    await handle.terminate('a test');
    await scanFor(gid);
    await startWorker(taskQueue);
    assert.equal(await stateOf(gid), 'compensated');
  });

  it('completes what was terminated between the pivot and the end', async () => {
    shop.faults.set({ function: 'orders.complete.action', kind: 'hang', gid: 'order-*' });
    const { gid, handle } = await start();
    await until(handle, (view) => branch(view, 'complete-order')?.state === 'running');
    await handle.terminate('a test');
    shop.faults.clear();
    await scanFor(gid);
    assert.equal(await stateOf(gid), 'committed');
  });

  it('ends the undo of what was terminated in the middle of it', async () => {
    shop.faults.set({ function: 'inventory.reserve.action', kind: 'refuse', gid: 'order-*' });
    shop.faults.set({ function: 'payments.charge.compensation', kind: 'hang', gid: 'order-*' });
    const { gid, handle } = await start();
    await until(handle, (view) => branch(view, 'pay')?.second?.state === 'running');
    await handle.terminate('a test');
    shop.faults.clear();
    await scanFor(gid);
    assert.equal(await stateOf(gid), 'compensated');
  });

  it('settles what waited at the desk, and opens the case again where it still cannot be undone', async () => {
    shop.faults.set({ function: 'inventory.reserve.action', kind: 'refuse', gid: 'order-*' });
    shop.faults.set({ function: 'payments.charge.compensation', kind: 'fail', attempts: 1_000, gid: 'order-*' });
    const { gid, handle } = await start({ compensationWindow: '1 second' });
    await until(handle, (view) => view.state === 'stuck');
    await handle.terminate('a test');
    await scanFor(gid);
    const newest = client.workflow.getHandle(gid);
    // A second after its end nothing is undone by a program any more.
    const [waiting] = (await until(newest, (view) => view.desk.length === 1)).desk;
    assert.match(waiting?.failure.type ?? '', /WindowPassed|InjectedFault|Timeout/);
    shop.faults.clear();
    for (const { branch: name } of (await viewOf(newest)).desk) {
      await decide(client, gid, { branch: name, action: 'retry', actor: 'ann', reason: 'it is repaired' });
    }
    assert.equal(await stateOf(gid), 'compensated');
  });

  it('does not do again what a person did by hand and resolved: no guard knows of it', async () => {
    for (const name of ['notifications.orderPlaced.action', 'orders.complete.action']) {
      shop.faults.set({ function: name, kind: 'fail', attempts: 1_000, gid: 'order-*' });
    }
    const { gid, handle } = await start({ forwardWindow: '1 second' });
    await until(handle, (view) => view.desk.length === 2);
    const told = databaseOf('notifications');
    const orderId = gid.slice('order-'.length);
    await told(`insert into notifications (order_id, kind, customer_id) values ('${orderId}', 'order-placed', 'c1')`);
    const note = { actor: 'ann', reason: 'told by telephone' };
    await decide(client, gid, { branch: 'notify', action: 'resolve', result: { orderId }, ...note });
    await handle.terminate('a test');
    shop.faults.clear();
    await scanFor(gid);
    assert.equal(await stateOf(gid), 'committed');
    assert.deepEqual(await told(`select 1 from backstitch.guard where gid = '${gid}'`), [], 'it was not asked again');
    const [kept] = (await viewOf(client.workflow.getHandle(gid))).decisions;
    assert.equal(kept?.reason, 'told by telephone');
  });

  it('settles it again when the run that settled it was terminated too, by two scans at once, and changes nothing more', async () => {
    shop.faults.set({ function: 'payments.charge.action', kind: 'hang', gid: 'order-*' });
    const { gid, handle } = await start();
    await until(handle, (view) => branch(view, 'pay')?.state === 'running');
    await handle.terminate('a test');
    shop.faults.clear();
    shop.faults.set({ function: 'orders.create.compensation', kind: 'hang', gid: 'order-*' });
    await scanFor(gid);
    const second = client.workflow.getHandle(gid);
    await until(second, (view) => branch(view, 'create-order')?.second?.state === 'running');
    await second.terminate('a test again');
    shop.faults.clear();
    for (;;) {
      const reports = await Promise.all([scan(), scan(), scan()]);
      const settled = reports.flatMap((report) => report.settled.filter((each) => each === gid));
      if (settled.length === 0) continue;
      assert.deepEqual(settled, [gid], 'one of them settled it');
      break;
    }
    assert.equal(await stateOf(gid), 'compensated');
    const { runId } = await client.workflow.getHandle(gid).describe();
    assert.deepEqual((await scan()).settled, []);
    assert.equal((await client.workflow.getHandle(gid).describe()).runId, runId);
  });

  it('tells what it has settled, though the workers of its first attempts have died before they could', async () => {
    const begun = Date.now();
    const { 'backstitch.scan': activity } = scanActivities();
    shop.faults.set({ function: 'payments.charge.action', kind: 'hang', gid: 'order-*' });
    const runs = new Map<string, string>();
    for (const { gid, handle } of await Promise.all([start(), start()])) {
      await until(handle, (view) => branch(view, 'pay')?.state === 'running');
      runs.set(gid, (await handle.describe()).runId);
      await handle.terminate('a test');
    }
    shop.faults.clear();
    const attemptOf = (attempt: number, scheduledTimestampMs = begun) =>
      new MockActivityEnvironment({ attempt, scheduledTimestampMs }, { client, logger: new DefaultLogger('ERROR') });
    const order = { since: begun, deskAgeMs: 60_000 };
    const areSettled = async () => {
      for (const [gid, runId] of runs) {
        if ((await client.workflow.getHandle(gid).describe()).runId === runId) return false;
      }
      return true;
    };

    let attempt = 0;
    while (!(await areSettled())) {
      const dying = attemptOf(++attempt);
      dying.once('heartbeat', () => dying.cancel());
      await dying.run(activity, order).catch(() => undefined);
    }
    const report: ScanReport = await attemptOf(attempt + 1).run(activity, order);
    assert.deepEqual([...report.settled].sort(), [...runs.keys()].sort());
    for (const gid of runs.keys()) assert.equal(await stateOf(gid), 'compensated');
    const next: ScanReport = await attemptOf(2, Date.now()).run(activity, order);
    assert.deepEqual(next.settled, [], 'what another scan has settled is not told again');
  });

  it('leaves alone what runs, what has ended by itself, and what is no transaction', async () => {
    const committed = await start();
    assert.equal(await stateOf(committed.gid), 'committed');
    const foreign = await client.workflow.start('proveBooks', {
      workflowId: `foreign-${randomUUID()}`,
      taskQueue: 'nobody',
    });
    await foreign.terminate('a test');
    const wrong = await start({ lane: 'none' as never });
    const report = await scan();
    assert.deepEqual(report.settled, []);
    assert.equal((await foreign.describe()).status.name, 'TERMINATED');
    assert.equal(await stateOf(wrong.gid), 'compensated', 'no scan takes it for one that was ended from outside');
  });

  it('is put on a schedule, which applying again leaves as it is', async () => {
    const apply = () => applySchedules(client, where.taskQueue, [scanSchedule]);
    const id = `${where.taskQueue}-scan`;
    assert.deepEqual(await apply(), [{ id, done: 'created' }]);
    const handle = client.schedule.getHandle(id);
    await handle.pause('a test');
    assert.deepEqual(await apply(), [{ id, done: 'updated' }]);
    const { spec, state, policies } = await handle.describe();
    assert.equal(spec.intervals?.[0]?.every, 300_000);
    assert.equal(policies.overlap, 'SKIP');
    assert.equal(state.paused, true, 'whoever paused it has the say');
    await handle.delete();
    await assert.rejects(handle.describe(), ScheduleNotFoundError);
  });
});
