import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import {
  bundleWorkflowCode,
  DefaultLogger,
  NativeConnection,
  Worker,
  type WorkerOptions,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import type { TemporalSettings } from '../src/config.js';
import { transactionWorkerOptions } from '../src/kit/worker/index.js';

/** Temporal, as the systems with an engine share it: one connection, one client, the same worker options. */
export interface Engine {
  readonly client: Client;
  /** Bundles a module of workflows, named without its ending, once a run. */
  bundle(module: string, preloadModules: string[]): Promise<WorkflowBundleWithSourceMap>;
  /** Runs a worker until the returned function is called. */
  work(
    taskQueue: string,
    workflowBundle: WorkflowBundleWithSourceMap,
    activities: object,
  ): Promise<() => Promise<void>>;
  /** What the history of a run that has ended holds. */
  readonly history: (workflowId: string) => Promise<{ events: number; bytes: number }>;
  close(): Promise<void>;
}

/** Connects to a server. */
export async function connectEngine(
  { connection: options, namespace }: TemporalSettings,
  workerOptions: Partial<WorkerOptions> = transactionWorkerOptions,
): Promise<Engine> {
  const connection = await NativeConnection.connect(options);
  // The client shares the worker's connection: without that there is no eager start.
  const client = new Client({ connection, namespace });
  const bundles = new Map<string, Promise<WorkflowBundleWithSourceMap>>();
  return {
    client,
    bundle(module, preloadModules) {
      const key = [module, ...preloadModules].join();
      const bundle =
        bundles.get(key) ??
        bundleWorkflowCode({
          preloadModules,
          workflowsPath: fileURLToPath(new URL(`${module}${extname(import.meta.url)}`, import.meta.url)),
          logger: new DefaultLogger('ERROR'),
        });
      bundles.set(key, bundle);
      return bundle;
    },
    async work(taskQueue, workflowBundle, activities) {
      const worker = await Worker.create({
        ...workerOptions,
        bundlerOptions: undefined,
        connection,
        namespace,
        taskQueue,
        workflowBundle,
        activities,
      });
      const running = worker.run();
      return async () => {
        worker.shutdown();
        await running;
      };
    },
    async history(workflowId) {
      const { historyLength, historySize = 0 } = await client.workflow.getHandle(workflowId).describe();
      return { events: historyLength, bytes: historySize };
    },
    close: () => connection.close(),
  };
}
