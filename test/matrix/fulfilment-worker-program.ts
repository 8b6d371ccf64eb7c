/** A worker of the participant `fulfilment`: its database as FULFILMENT_URL, a Redis server as REDIS_URL. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '@redis/client';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import pg from 'pg';
import { createGuard, createOutbound, pgDatabase } from '../../src/kit/database/index.js';
import { nodeRedis } from '../../src/kit/redis/index.js';
import { matrixFaults } from '../../src/kit/testing/index.js';
import { participantActivities, transactionLogger, transactionWorkerOptions } from '../../src/kit/worker/index.js';
import { createFulfilment } from './fulfilment.js';

Runtime.install({ logger: transactionLogger('ERROR') });
const { FULFILMENT_URL, REDIS_URL, TEMPORAL_ADDRESS } = process.env;
const database = pgDatabase(new pg.Pool({ connectionString: FULFILMENT_URL, max: 20 }));
const client = createClient({ url: REDIS_URL, disableOfflineQueue: true });
client.on('error', () => undefined);
await client.connect();
const faults = matrixFaults();
const fulfilment = createFulfilment({
  database,
  redis: nodeRedis(client),
  guard: createGuard(database, { probe: faults.probe }),
  outbound: createOutbound(database, { probe: faults.probe }),
});
const worker = await Worker.create(
  await faults.workerOptions({
    ...transactionWorkerOptions,
    connection: await NativeConnection.connect({ address: TEMPORAL_ADDRESS }),
    taskQueue: 'fulfilment',
    workflowsPath: fileURLToPath(new URL(`workflows/fulfil${extname(import.meta.url)}`, import.meta.url)),
    activities: participantActivities(faults.participants({ fulfilment }), { who: `matrix ${process.pid}` }),
  }),
);
await worker.run();
