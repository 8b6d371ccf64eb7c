import { fork } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serviceNames } from '../../src/activities/index.js';
import type { TransferBench } from './cell.js';

/** A coordinator in a process of its own. */
export interface CoordinatorChild {
  /** Stops it at once, wherever it is: it keeps its connections, and does nothing. */
  readonly freeze: () => void;
  /** Lets it go on. */
  readonly thaw: () => void;
  /** Lets it end, and waits for that. */
  readonly end: () => Promise<void>;
}

/**
 * Starts one, and waits until it works.
 *
 * @param agents the task queue of the worker that has the banks' agents of a three-phase commit
 * @throws if it ends before
 */
export async function startCoordinatorChild(
  { temporal, databaseUrl, poolSize }: TransferBench,
  taskQueue: string,
  agents: string,
): Promise<CoordinatorChild> {
  const urls = serviceNames.map((service) => [`DATABASE_URL_${service.toUpperCase()}`, databaseUrl(service)]);
  const file = new URL(`./coordinator-program${extname(import.meta.url)}`, import.meta.url);
  const child = fork(fileURLToPath(file), [agents], {
    env: {
      ...process.env,
      ...(Object.fromEntries(urls) as Record<string, string>),
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: temporal.namespace,
      BACKSTITCH_TASK_QUEUE: taskQueue,
      BACKSTITCH_POOL_SIZE: String(poolSize),
    },
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(child, 'exit').then(([code, signal]: unknown[]) => {
    process.off('exit', kill);
    return `the coordinator's process ended: ${String(code ?? signal)}`;
  });
  const early = await Promise.race([once(child, 'message'), exited]);
  if (typeof early === 'string') throw new Error(early);
  return {
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async end() {
      child.kill('SIGCONT');
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
