import assert from 'node:assert/strict';
import { Client, type Connection } from '@temporalio/client';
import { serviceNames } from '../../src/activities/index.js';
import { readOrders } from '../../src/client/orders-file.js';
import { placeOrders } from '../../src/client/place-orders.js';
import { openShop, proveBooks } from '../../src/client/shop.js';
import { placeOrderTransaction } from '../../src/contracts/transactions.js';
import { transactionClient } from '../../src/kit/client/index.js';
import { Program } from '../support/program.js';
import { temporalAddress, testDatabase, type TestDatabase } from '../support/servers.js';
import { itSideBySide } from '../support/side-by-side.js';
import { transpiled } from '../support/transpiled.js';
import { connectTo } from '../support/connection.js';

const ORDERS = 100;

describe('a worker that is killed', function () {
  this.timeout(180_000);
  const databases: TestDatabase[] = [];
  const workers: Program[] = [];
  let connection: Connection;

  before(async () => {
    connection = await connectTo(await temporalAddress());
  });
  after(async () => {
    for (const worker of workers) worker.kill('SIGTERM');
    await Promise.all(workers.map((worker) => worker.ended));
    await connection.close();
    for (const database of databases) await database.drop();
  });

  itSideBySide(
    ['durable', 'lean', 'grouped'] as const,
    (lane) => `in the middle of ${ORDERS} orders loses none and does none twice: another one ends them (${lane})`,
    async (lane) => {
      const address = await temporalAddress();
      const taskQueue = `killed-${lane}-${process.pid}`;
      const env: NodeJS.ProcessEnv = { TEMPORAL_ADDRESS: address, BACKSTITCH_TASK_QUEUE: taskQueue };
      for (const service of serviceNames) {
        const database = await testDatabase(service);
        databases.push(database);
        env[`DATABASE_URL_${service.toUpperCase()}`] = database.url;
      }
      const worker = async (): Promise<Program> => {
        const started = new Program(transpiled('src/worker.ts'), [], env);
        workers.push(started);
        await started.printed(/serving task queue/);
        return started;
      };
      const client = new Client({ connection });
      const where = { address, namespace: 'default', connection: { address }, taskQueue, ui: undefined };

      const first = await worker();
      const given = await readOrders('examples/orders.csv', { limit: ORDERS });
      // The orders' ids are the gids: each lane has its own.
      const orders = given.map((order) => ({ ...order, orderId: `${order.orderId}-${taskQueue}` }));
      const customers = [...new Set(orders.map(({ customerId }) => customerId))];
      await openShop(client, where, { customers, walletCents: 10_000, points: 1_000, sku: 'cd', units: 120 });

      let ended = 0;
      const report = await placeOrders(orders, {
        placeOrder: transactionClient(client, { taskQueue }).of(placeOrderTransaction),
        concurrency: 20,
        call: { lane },
        onOutcome: () => {
          if (++ended !== ORDERS / 4) return;
          // Twenty orders are under way, at whatever point each of them is.
          first.kill('SIGKILL');
          void worker();
        },
      });

      assert.equal(await first.ended, 'SIGKILL');
      assert.equal(report.placed + report.undone, ORDERS, JSON.stringify(report));
      assert.ok(report.placed > 0 && report.undone > 0, 'both kinds of end occur');
      const books = await proveBooks(client, where);
      assert.deepEqual(books.differences, []);
      assert.equal(books.balanced, true);
      assert.equal(books.figures.orders, ORDERS);
    },
  );
});
