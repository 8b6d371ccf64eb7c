import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Client } from '@temporalio/client';
import pg from 'pg';
import { serviceNames } from '../../src/activities/index.js';
import { readOrders } from '../../src/client/orders-file.js';
import { placeOrders } from '../../src/client/place-orders.js';
import { openShop } from '../../src/client/shop.js';
import { placeOrderTransaction } from '../../src/contracts/transactions.js';
import { transactionClient } from '../../src/kit/client/index.js';
import { createShopWorker } from '../../src/worker.js';
import { postgresUrl, temporalAddress, testDatabase, type TestDatabase } from '../support/servers.js';
import { until } from '../support/until.js';
import { connectTo } from '../support/connection.js';

const ORDERS = 50;

describe('the compensation log of a shop', function () {
  this.timeout(180_000);
  const closing: (() => Promise<unknown>)[] = [];
  after(async () => {
    for (const close of closing.reverse()) await close();
  });

  const query = async <Row extends object>(url: string, text: string): Promise<Row[]> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  };

  it(`whose operations database is not there while ${ORDERS} orders run has every entry once, when it is`, async () => {
    const databases = new Map<string, TestDatabase>();
    for (const service of serviceNames) {
      const database = await testDatabase(service);
      databases.set(service, database);
      closing.push(() => database.drop());
    }
    const url = (service: string) => databases.get(service)?.url ?? '';
    const address = await temporalAddress();
    const taskQueue = `log-${process.pid}`;
    const where = { address, namespace: 'default', connection: { address }, taskQueue, ui: undefined };
    // Its server is there, and it is not.
    const operations = `operations_${randomBytes(4).toString('hex')}`;
    const operationsUrl = Object.assign(new URL(await postgresUrl()), { pathname: `/${operations}` }).href;
    closing.push(async () => query(await postgresUrl(), `drop database if exists ${operations} with (force)`));
    const warnings: string[] = [];
    const shop = await createShopWorker(
      where,
      {
        databaseUrls: Object.fromEntries(serviceNames.map((service) => [service, url(service)])),
        operationsUrl,
        poolSize: 10,
        faults: undefined,
      },
      (line) => warnings.push(line),
    );
    const running = shop.run();
    closing.push(async () => {
      await shop.stop();
      await running;
    });
    const connection = await connectTo(address);
    closing.push(() => connection.close());
    const client = new Client({ connection });
    const collect = () =>
      client.workflow.execute('collectLog', { taskQueue, workflowId: `collect-${randomBytes(4).toString('hex')}` });

    const orders = (await readOrders('examples/orders.csv', { limit: ORDERS })).map((order) => ({
      ...order,
      orderId: `${order.orderId}-${taskQueue}`,
    }));
    const customers = [...new Set(orders.map(({ customerId }) => customerId))];
    await openShop(client, where, { customers, walletCents: 10_000, points: 1_000, sku: 'cd', units: 60 });
    const collecting = collect();
    const report = await placeOrders(orders, {
      placeOrder: transactionClient(client, { taskQueue }).of(placeOrderTransaction),
      concurrency: 20,
      call: {},
    });
    assert.deepEqual([report.done, report.placed + report.undone], [ORDERS, ORDERS], JSON.stringify(report.failures));
    assert.ok(report.undone > 0);
    await assert.rejects(collecting, (error: Error) => {
      const causes: string[] = [];
      for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) causes.push(cause.message);
      assert.match(causes.join('\n'), /database "operations_\w+" does not exist/);
      return true;
    });
    const told = warnings.filter((line) => line.startsWith('the operations database'));
    assert.equal(told.length, 1, warnings.join('\n'));
    assert.match(
      told[0] ?? '',
      /^the operations database \(operations_\w+ at .*\) cannot be used: database .* does not exist; see DATABASE_URL_OPERATIONS or DATABASE_URL; .* not kept$/,
    );

    await query(await postgresUrl(), `create database ${operations}`);

    await collect();
    const key = `gid || ' ' || phase || ':' || branch || ' ' || outcome`;
    const guarded: string[] = [];
    for (const service of serviceNames) {
      const rows = await query<{ key: string }>(
        url(service),
        `select '${service} ' || ${key} as key from backstitch.guard`,
      );
      guarded.push(...rows.map((row) => row.key));
    }
    const logged = await query<{ key: string }>(
      operationsUrl,
      `select origin || ' ' || gid || ' ' || item || ' ' || outcome as key from backstitch.log where source = 'guard'`,
    );
    assert.ok(guarded.length > ORDERS * 2);
    assert.deepEqual(logged.map((row) => row.key).sort(), guarded.sort());

    // The list of closed runs follows with a delay.
    const ends = `select from backstitch.log where source = 'history' and op = 'end' and outcome = 'compensated' and gid like '%${taskQueue}'`;
    await until(async () => {
      await collect();
      return (await query(operationsUrl, ends)).length >= report.undone;
    }, 30_000);
    assert.equal((await query(operationsUrl, ends)).length, report.undone);
  });
});
