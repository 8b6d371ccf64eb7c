import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import { createShop, type ShopDatabases } from '../../src/activities/index.js';
import {
  alarmActivities,
  participantActivities,
  preloadModules,
  threePhaseActivities,
} from '../../src/kit/worker/index.js';
import type { Engine } from '../engine.js';

/**
 * Runs a worker with the workflows of all schemes, and with the banks, in this process.
 *
 * @param agents the task queue of the worker that has the banks' agents of a three-phase commit. Default: this one's
 * @returns stops it
 */
export async function startCoordinator(
  engine: Engine,
  databases: ShopDatabases,
  taskQueue: string,
  agents = taskQueue,
): Promise<() => Promise<void>> {
  const bundle = await engine.bundle('../src/workflows/index', preloadModules);
  return engine.work(taskQueue, bundle, {
    ...participantActivities(createShop({ databases }).participants, { who: 'bench' }),
    ...threePhaseActivities({ addressOf: () => ({ client: engine.client, taskQueue: agents }) }),
    ...alarmActivities(),
  });
}

/** Prepares Temporal's runtime in this process. That an answer came too late is no warning here: it is what a stop brings about. */
export function installRuntime(): void {
  const filter = makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' });
  const logger = new DefaultLogger('ERROR');
  Runtime.install({ logger, shutdownSignals: [], telemetryOptions: { logging: { filter } } });
}
