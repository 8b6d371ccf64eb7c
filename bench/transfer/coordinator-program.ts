import { serviceNames } from '../../src/activities/index.js';
import { temporalSettings, workerSettings } from '../../src/config.js';
import { Pools } from '../../src/pools.js';
import { connectEngine } from '../engine.js';
import { installRuntime, startCoordinator } from './coordinator.js';

/**
 * The coordinator that is stopped: a process of its own, which says when it works, and ends when it is let go. Its argument is the task
 * queue of the worker that has the banks' agents of a three-phase commit.
 */

installRuntime();
const temporal = temporalSettings();
const { databaseUrls, poolSize } = workerSettings(serviceNames);
const pools = new Pools();
const databases = await pools.openServices(serviceNames, databaseUrls, poolSize);
const engine = await connectEngine(temporal);
const stop = await startCoordinator(engine, databases, temporal.taskQueue, process.argv[2]);
process.once('disconnect', () => {
  void stop()
    .then(() => engine.close())
    .then(() => pools.close())
    .finally(() => process.exit());
});
process.send?.('works');
