/** The shop's worker as a crash matrix runs it: see docs/testing.md. */
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import pg from 'pg';
import { createShop, serviceNames, type ServiceName } from '../../src/activities/index.js';
import { temporalSettings, workerSettings } from '../../src/config.js';
import { pgDatabase, type Database } from '../../src/kit/database/index.js';
import { matrixFaults } from '../../src/kit/testing/index.js';
import { participantActivities, transactionLogger, transactionWorkerOptions } from '../../src/kit/worker/index.js';
import { workflowsPath } from '../../src/worker.js';

Runtime.install({ logger: transactionLogger('ERROR') });
const { databaseUrls, poolSize } = workerSettings(serviceNames);
const databases = Object.fromEntries(
  serviceNames.map((service) => [
    service,
    pgDatabase(new pg.Pool({ connectionString: databaseUrls[service], max: poolSize, connectionTimeoutMillis: 5_000 })),
  ]),
) as Record<ServiceName, Database>;

const faults = matrixFaults();
const { participants } = createShop({ databases, probe: faults.probe });
const temporal = temporalSettings();
const worker = await Worker.create(
  await faults.workerOptions({
    ...transactionWorkerOptions,
    connection: await NativeConnection.connect(temporal.connection),
    namespace: temporal.namespace,
    taskQueue: temporal.taskQueue,
    workflowsPath,
    activities: participantActivities(faults.participants(participants), { who: `matrix ${process.pid}` }),
  }),
);
await worker.run();
