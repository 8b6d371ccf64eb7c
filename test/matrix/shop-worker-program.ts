/** The shop's worker as a crash matrix runs it, and a caller that asks for orders or drives them itself: see docs/testing.md. */
import { Client } from '@temporalio/client';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import pg from 'pg';
import { createShop, serviceNames, type ServiceName } from '../../src/activities/index.js';
import { temporalSettings, workerSettings } from '../../src/config.js';
import { transactionClient } from '../../src/kit/client/index.js';
import { pgDatabase, type Database } from '../../src/kit/database/index.js';
import { directLane } from '../../src/kit/direct/index.js';
import { matrixFaults } from '../../src/kit/testing/index.js';
import {
  adoptActivities,
  groupActivities,
  machineActivities,
  participantActivities,
  startRelay,
  threePhaseActivities,
  transactionLogger,
  transactionWorkerOptions,
} from '../../src/kit/worker/index.js';
import { workflowsPath } from '../../src/worker.js';
import { placeOrder } from '../../src/workflows/place-order.js';
import { transferSaga } from '../../src/workflows/transfer.js';

Runtime.install({ logger: transactionLogger('ERROR') });
const { databaseUrls, poolSize } = workerSettings(serviceNames);
const databases = Object.fromEntries(
  serviceNames.map((service) => [
    service,
    pgDatabase(new pg.Pool({ connectionString: databaseUrls[service], max: poolSize, connectionTimeoutMillis: 5_000 })),
  ]),
) as Record<ServiceName, Database>;

const who = `matrix ${process.pid}`;
const faults = matrixFaults();
const shop = createShop({ databases, probe: faults.probe });
const participants = faults.participants(shop.participants);
const { connection: settings, namespace, taskQueue } = temporalSettings();
const connection = await NativeConnection.connect(settings);
const client = new Client({ connection, namespace, interceptors: faults.clientInterceptors });
faults.asks({
  client,
  databases,
  transactions: ({ groups, ...times }) =>
    transactionClient(client, {
      taskQueue,
      groups,
      direct: directLane({ sagas: { placeOrder, transferSaga }, participants, databases, ...times }),
    }),
});
const worker = await Worker.create(
  await faults.workerOptions({
    ...transactionWorkerOptions,
    connection,
    namespace,
    taskQueue,
    workflowsPath,
    activities: {
      ...participantActivities(participants, { who }),
      ...adoptActivities(databases),
      ...threePhaseActivities(),
      ...machineActivities(),
      ...groupActivities({ participants, databases, who }),
    },
  }),
);
startRelay({ client, databases, intervalMs: 200 });
await worker.run();
