/** A worker of the participant `marks`, broken as FLAW says. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import pg from 'pg';
import { createGuard, pgDatabase } from '../../src/kit/database/index.js';
import { matrixFaults } from '../../src/kit/testing/index.js';
import { participantActivities, transactionLogger, transactionWorkerOptions } from '../../src/kit/worker/index.js';
import { createMarks, flaws } from './marks.js';

Runtime.install({ logger: transactionLogger('ERROR') });
const { MARKS_URL, FLAW, TEMPORAL_ADDRESS } = process.env;
const flaw = flaws.find((known) => known === FLAW);
if (flaw === undefined) throw new Error(`FLAW is ${FLAW}`);
const database = pgDatabase(new pg.Pool({ connectionString: MARKS_URL, max: 20 }));
const faults = matrixFaults();
const marks = createMarks(database, createGuard(database, { probe: faults.probe }), flaw);
const worker = await Worker.create(
  await faults.workerOptions({
    ...transactionWorkerOptions,
    connection: await NativeConnection.connect({ address: TEMPORAL_ADDRESS }),
    taskQueue: 'marks',
    workflowsPath: fileURLToPath(new URL(`workflows/index${extname(import.meta.url)}`, import.meta.url)),
    activities: participantActivities(faults.participants({ marks }), { who: 'marks' }),
  }),
);
await worker.run();
