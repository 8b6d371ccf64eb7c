import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import pg from 'pg';
import { createInbox, inboxSink, pgDatabase } from '../../../src/kit/database/index.js';
import { relayActivities } from '../../../src/kit/worker/index.js';
import { chaosOutbox, CONSUMER, handleNumbered, READY } from './business.js';

/** A worker that delivers the messages of the run, as a program of its own: it is killed and frozen. */

const { TEMPORAL_ADDRESS, BACKSTITCH_TASK_QUEUE: taskQueue = '', PRODUCER_URL, CONSUMER_URL } = process.env;
Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
const poolOf = (connectionString?: string) =>
  new pg.Pool({ connectionString, max: 10, connectionTimeoutMillis: 5_000, keepAlive: true });
const [producer, consumer] = [poolOf(PRODUCER_URL), poolOf(CONSUMER_URL)];
const [from, to] = [pgDatabase(producer), pgDatabase(consumer)];
const inbox = createInbox({ database: to, consumer: CONSUMER, order: 'per-key', timeoutMs: 8_000 });
const relays = relayActivities({
  outboxes: [
    {
      outbox: chaosOutbox,
      database: from,
      sinks: { all: inboxSink({ inbox, handlers: { numbered: handleNumbered } }) },
      rules: { deliverMs: 10_000, backoffMs: 200, mostBackoffMs: 2_000 },
    },
  ],
  who: `${process.pid}`,
});

for (;;) {
  try {
    const connection = await NativeConnection.connect({ address: TEMPORAL_ADDRESS });
    const worker = await Worker.create({
      connection,
      taskQueue,
      workflowsPath: fileURLToPath(new URL(`./workflows${extname(import.meta.url)}`, import.meta.url)),
      activities: relays.activities,
    });
    process.once('SIGTERM', () => {
      relays.stop();
      worker.shutdown();
    });
    console.log(READY);
    await worker.run();
    break;
  } catch (error) {
    // The server is away: a supervisor would start it again.
    console.error(String(error));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}
await Promise.all([producer.end(), consumer.end()]);
process.exit(0);
