import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { reclaimSchedule, type ReclaimReport, type SaleBooks } from '../../src/contracts/sale.js';
import { NativeConnection, Worker } from '@temporalio/worker';
import { createSale } from '../../src/activities/sale/index.js';
import { describeSale } from '../../src/client/sale-words.js';
import { applySchedules, runJob } from '../../src/kit/client/index.js';
import { workflowBundleFile } from '../../src/config.js';
import { bundleWorkflows } from '../../src/worker.js';
import { Receiver } from '../kit/worker/support/receiver.js';
import { until } from '../support/until.js';
import { ShopWorld } from './support.js';

describe('the reclaim of flash sales', function () {
  this.timeout(240_000);
  const world = new ShopWorld();
  let alarms: Receiver;
  world.settings = async () => {
    alarms = await Receiver.open();
    return { alarms: { url: alarms.url, secret: [randomBytes(32).toString('base64')] } };
  };
  after(() => alarms.close());
  const job = <Result>(workflow: string, ...args: unknown[]) =>
    runJob<Result>(world.client, world.where, workflow, `test-${randomUUID()}`, args);
  const raised = (text: string) => alarms.received.some(({ event }) => event.data.message.includes(text));

  it('is a schedule that takes back what is due, tells of what it cannot take back, and settles what is closed', async () => {
    const sale = 'scheduled';
    await job('openSale', { sale, sku: 'cd', units: 5, cents: 100, holdMs: 0 });
    const { buy } = createSale({ inventory: world.database('inventory'), orders: world.database('orders') });
    for (const id of ['locked', 'free'])
      assert.equal((await buy({ id, sale, customerId: 'c1', units: 1 })).answer, 'sold');
    await job('closeSale', { sale });
    await job('openSale', { sale: 'second', sku: 'cd', units: 2, cents: 100, holdMs: 0 });
    for (const id of ['second-1', 'second-2']) await buy({ id, sale: 'second', customerId: 'c1', units: 1 });
    const [applied] = await applySchedules(world.client, world.taskQueue, [reclaimSchedule]);
    const handle = world.client.schedule.getHandle(applied?.id ?? '');
    try {
      await world.database('orders').transaction(async (sql) => {
        await sql(`select from sale_orders where order_id in ('locked', 'second-1', 'second-2') for update`);
        await handle.trigger();
        // Each sale has its own count, and its own alarm.
        await until(() => raised('sale second: 2 purchases could not be reclaimed, second-1 among them'));
        await until(() => raised('sale scheduled: 1 purchases could not be reclaimed, locked among them'));
      });
      const alarm = alarms.received.find(({ event }) => event.data.message.includes('locked among them'));
      assert.equal(alarm?.event.data.kind, 'not-reclaimed');
      const half = await job<SaleBooks>('saleBooks', { sale });
      assert.deepEqual([half.state, half.waiting, half.left], ['closed', 1, 4]);
      // The round that told of it may still run: a trigger is skipped then.
      await until(async () => (await handle.describe()).info.runningActions.length === 0);
      await handle.trigger();
      await until(async () => (await job<SaleBooks>('saleBooks', { sale })).state === 'settled');
    } finally {
      await handle.delete();
    }
    await job('openSale', { sale: 'held', sku: 'cd', units: 1, cents: 100 });
    await world.database('inventory').transaction(async (sql) => {
      await sql(`select from stock where sku = 'cd' for update`);
      const held = await job<SaleBooks>('closeSale', { sale: 'held' });
      assert.deepEqual([held.state, held.waiting], ['closed', 0]);
      assert.match(held.unsettled ?? '', /lock timeout/);
      assert.match(describeSale(held), /it could not be settled, and the next reclaim tries again: .*lock timeout/);
    });
    assert.equal((await job<SaleBooks>('closeSale', { sale: 'held' })).state, 'settled');
    const { returned, sold } = await job<SaleBooks>('saleBooks', { sale });
    assert.deepEqual([returned, sold], [5, 0]);
    assert.deepEqual((await world.books()).differences, []);
  });

  it('has an alarm for a database that is gone; the next round begins again', async () => {
    const sale = 'down';
    await job('openSale', { sale, sku: 'cd', units: 1, cents: 100, holdMs: 0 });
    const { buy } = createSale({ inventory: world.database('inventory'), orders: world.database('orders') });
    assert.equal((await buy({ id: 'down', sale, customerId: 'c1', units: 1 })).answer, 'sold');
    const inventory = await world.down('inventory');
    try {
      await assert.rejects(job<ReclaimReport>('reclaimStock'), /reclaimStock failed/);
      await until(() => raised('no round of reclaiming could be made'));
    } finally {
      await inventory.up();
    }
    // And one for what was paid when its units had been released: nobody else hears of it.
    await job('openSale', { sale: 'torn', sku: 'cd', units: 1, cents: 100, holdMs: 3_600_000 });
    const shop = createSale({ inventory: world.database('inventory'), orders: world.database('orders') });
    await shop.buy({ id: 'torn', sale: 'torn', customerId: 'c1', units: 1 });
    await world.sql(
      'inventory',
      `update backstitch.occupancy set state = 'released', ended_at = now() where id = 'torn'`,
    );
    assert.equal((await shop.pay('torn', 'pay-1')).answer, 'torn');
    // A round goes on where it is told to, and not before.
    const after = { at: '9999-01-01 00:00:00+00', id: 'down' };
    assert.equal((await job<ReclaimReport>('reclaimStock', { after })).due, 0);
    const { due, released, torn } = await job<ReclaimReport>('reclaimStock');
    assert.deepEqual([due, released, torn], [1, 1, [{ sale: 'torn', count: 1, id: 'torn' }]]);
    await until(() => raised('sale torn: 1 purchases were paid when their units had been released, torn among them'));
  });

  it('takes the answers of a worker of an older release', async () => {
    const answers = {
      due: 1,
      released: 0,
      consumed: 0,
      failed: [{ sale: 's', id: 'p', message: 'm' }],
      failedCount: 1,
    };
    const taskQueue = `older-${randomUUID()}`;
    const codePath = workflowBundleFile();
    const connection = await NativeConnection.connect({ address: world.where.address });
    const worker = await Worker.create({
      ...{ connection, taskQueue, workflowBundle: codePath === undefined ? await bundleWorkflows() : { codePath } },
      activities: {
        'sale.reclaim': () => Promise.resolve(answers),
        'sale.settle': () => Promise.resolve(['s']),
        'sale.torn': () => Promise.resolve([]),
      },
    });
    const report: unknown = await worker.runUntil(
      world.client.workflow.execute('reclaimStock', { workflowId: randomUUID(), taskQueue, args: [{}] }),
    );
    await connection.close();
    assert.deepEqual(report, { ...answers, failedBySale: [], settled: ['s'], unsettled: [], torn: [] });
  });
});
