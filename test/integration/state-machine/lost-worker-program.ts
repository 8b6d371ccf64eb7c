import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';

/** A worker that runs the workflows of tickets, and no activities: to be lost in the midst of its work. */
const [address = '', taskQueue = ''] = process.argv.slice(2);
const connection = await NativeConnection.connect({ address });
const workflowsPath = fileURLToPath(new URL('./versions/one.ts', import.meta.url));
const worker = await Worker.create({ connection, taskQueue, workflowsPath });
const running = worker.run();
console.error('a worker of tickets: serves');
await running;
