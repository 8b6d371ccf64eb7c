import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { createShop } from '../../../src/activities/index.js';
import { orderLifecycleContract } from '../../../src/contracts/transactions.js';
import { machineClient } from '../../../src/kit/client/index.js';
import { machineActivities, participantActivities, temporalSink } from '../../../src/kit/worker/index.js';
import { lifecycleTopics } from '../../../src/worker.js';
import { CaseOrder } from '../../matrix/machine-order.js';
import { openMatrixShop, type MatrixShop } from '../../matrix/shop.js';
import { bundleOf } from '../../support/bundles.js';
import { until } from '../../support/until.js';
import { connectTo } from '../../support/connection.js';

const pathOf = (name: string) => fileURLToPath(new URL(`./versions/${name}.ts`, import.meta.url));
const by = { actor: 'ann', reason: 'scratched' };

describe('an order that lives for longer than a release', function () {
  this.timeout(120_000);
  let shop: MatrixShop;
  let native: NativeConnection;
  let client: Client;
  let stop: (() => Promise<void>) | undefined;
  const taskQueue = `releases-${randomUUID()}`;
  before(async () => {
    shop = await openMatrixShop();
    const address = shop.env.TEMPORAL_ADDRESS ?? '';
    native = await NativeConnection.connect({ address });
    client = new Client({ connection: await connectTo(address) });
  });
  after(async () => {
    await stop?.();
    await client.connection.close();
    await native.close();
    await shop.close();
  });

  /** The workers of a release, in place of those before. */
  async function release(name: string): Promise<void> {
    await stop?.();
    const worker = await Worker.create({
      ...{ connection: native, taskQueue, workflowBundle: await bundleOf(pathOf(name)), shutdownGraceTime: 0 },
      activities: {
        ...participantActivities(shop.shop.participants, { who: name }),
        ...machineActivities(),
        'backstitch.raiseAlarm': () => Promise.resolve(),
      },
    });
    const running = worker.run();
    stop = () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      return running;
    };
  }

  it('begins by the table of the old one, and ends by that of the new: its effects, its deadlines, its messages', async () => {
    const toMachines = temporalSink({ client, taskQueue, topics: lifecycleTopics });
    const messaging = createShop({ databases: shop.databases, toMachines });
    const machines = machineClient(client, { taskQueue }, orderLifecycleContract);
    const open = async (orderId: string) => {
      const each = new CaseOrder(shop, messaging, orderId);
      await each.prepare({ name: '', by: 'begin', event: 'open', from: '', to: '', fault: 'reply lost' });
      await machines.start(`order-${orderId}`, each.order);
      await until(async () => (await machines.view(`order-${orderId}`)).state === 'WAIT_PAY');
      return each;
    };
    const at = (gid: string, state: string) => until(async () => (await machines.view(gid)).state === state);
    await release('order-one');
    const [sent, unpaid] = [await open('release-1'), await open('release-2')];
    await machines.send('order-release-1', 'pay', { requestId: 'paid' });
    await sent.deliver('orders');
    await sent.deliver('warehouse');
    await at('order-release-1', 'PAID.WAIT_PICK');
    await assert.rejects(machines.send('order-release-1', 'pick', { requestId: 'early' }), /there is no event 'pick'/);

    await release('order-two');
    // What was begun goes on by its table, with its deadlines, until an event comes that only the new one has.
    const moving = { name: 'unpaid', to: Date.now(), ...by } as const;
    await machines.moveDeadline('order-release-2', moving);
    const { state, transitions } = await machines.result('order-release-2', { wait: '30 seconds' });
    assert.deepEqual([state, transitions.map(({ event }) => event)], ['CANCELLED', ['cancel']]);
    await machines.send('order-release-1', 'pick', { requestId: 'picked-up', by });
    assert.equal((await machines.view('order-release-1')).runs, 1);
    // The new table's events by the warehouse's messages, its effects, its deadlines.
    await sent.deliver('orders');
    for (const step of ['picked', 'pack', 'packed']) await sent.work(step);
    await at('order-release-1', 'WAIT_DELIVER');
    await machines.send('order-release-1', 'ship', { requestId: 'left' });
    await machines.send('order-release-1', 'deliver', { requestId: 'there' });
    // What the old one has answered is answered so by the new one.
    assert.equal((await machines.send('order-release-1', 'pay', { requestId: 'paid' })).version, 1);
    await machines.moveDeadline('order-release-1', { name: 'uncompleted', to: Date.now(), ...by });
    const ended = await machines.result('order-release-1', { wait: '30 seconds' });
    assert.deepEqual(
      [ended.state, ended.transitions.map(({ event }) => event)],
      ['COMPLETED', ['pay', 'received', 'pick', 'picked', 'pack', 'packed', 'ship', 'deliver', 'complete']],
    );
    await unpaid.deliver('orders');
    const { differences } = await shop.books();
    assert.deepEqual(differences, []);
  });
});
