import assert from 'node:assert/strict';
import { Client, type Connection } from '@temporalio/client';
import pg from 'pg';
import { serviceNames } from '../../src/activities/index.js';
import { openShop, proveBooks } from '../../src/client/shop.js';
import { placeOrderTransaction } from '../../src/contracts/transactions.js';
import { TransactionCompensated, transactionClient } from '../../src/kit/client/index.js';
import { Proxy } from '../chaos/proxy.js';
import { Program } from '../support/program.js';
import { temporalAddress, testDatabase, type TestDatabase } from '../support/servers.js';
import { itSideBySide } from '../support/side-by-side.js';
import { transpiled } from '../support/transpiled.js';
import { until } from '../support/until.js';
import { connectTo } from '../support/connection.js';

/**
 * In the lanes lean and grouped the first workflow task does all steps, pivot included, before the server hears of any. If
 * its answer is lost, another task runs the body again, and must not decide as if nothing had happened.
 */
describe('when the answer of the first task is lost', function () {
  this.timeout(300_000);
  const databases: TestDatabase[] = [];
  const workers: Program[] = [];
  const proxies: Proxy[] = [];
  let connection: Connection;

  before(async () => {
    connection = await connectTo(await temporalAddress());
  });
  after(async () => {
    for (const worker of workers) worker.kill('SIGTERM');
    await Promise.all(workers.map((worker) => worker.ended));
    await connection.close();
    for (const proxy of proxies) await proxy.close();
    for (const database of databases) await database.drop();
  });

  itSideBySide(
    ['lean', 'grouped'] as const,
    (lane) => `and the deadline has passed when another worker has it: the customer is told what is so (${lane})`,
    async (lane) => {
      const address = await temporalAddress();
      const taskQueue = `${lane}-lost-${process.pid}`;
      const env: NodeJS.ProcessEnv = { BACKSTITCH_TASK_QUEUE: taskQueue };
      let ordersUrl = '';
      for (const service of serviceNames) {
        const database = await testDatabase(service);
        databases.push(database);
        if (service === 'orders') ordersUrl = database.url;
        env[`DATABASE_URL_${service.toUpperCase()}`] = database.url;
      }
      const start = async (TEMPORAL_ADDRESS: string): Promise<Program> => {
        const worker = new Program(transpiled('src/worker.ts'), [], { ...env, TEMPORAL_ADDRESS });
        workers.push(worker);
        await worker.printed(/serving task queue/);
        return worker;
      };
      const client = new Client({ connection });
      const where = { address, namespace: 'default', connection: { address }, taskQueue, ui: undefined };
      const placeOrder = transactionClient(client, { taskQueue }).of(placeOrderTransaction);
      const order = (orderId: string) => ({
        orderId: `${orderId}-${taskQueue}`,
        customerId: '1',
        units: 1,
        amount: 100,
      });

      const proxy = await Proxy.start(Number(address.split(':')[1]));
      proxies.push(proxy);
      const first = await start(`127.0.0.1:${proxy.port}`);
      await openShop(client, where, { customers: ['1'], walletCents: 1_000, points: 0, sku: 'cd', units: 10 });
      await placeOrder(order('before'), { lane });

      // The worker's polls are with the server already: a task reaches it, what it answers does not arrive.
      proxy.hold('requests');
      const told = placeOrder(order('lost'), { lane, deadline: 3_000 }).then(
        () => 'placed',
        (error: unknown) => (error instanceof TransactionCompensated ? 'undone' : String(error)),
      );
      const status = () => statusOf(ordersUrl, order('lost').orderId);
      // All its steps were done.
      await until(async () => (await status()) === 'placed', 20_000);
      first.kill('SIGKILL');
      await start(address);

      const answer = await told;
      const books = await proveBooks(client, where);
      assert.deepEqual(books.differences, []);
      assert.equal((await status()) === 'placed' ? 'placed' : 'undone', answer, 'the customer was told what is so');
    },
  );
});

async function statusOf(url: string, orderId: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ status: string }>('select status from orders where order_id = $1', [orderId]);
    return rows[0]?.status;
  } finally {
    await client.end();
  }
}
