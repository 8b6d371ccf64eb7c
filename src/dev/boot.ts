import { Runtime } from '@temporalio/worker';
import { serviceNames } from '../activities/index.js';
import { searchAttributeTypes } from '../kit/workflow/index.js';
import { transactionLogger } from '../kit/worker/index.js';
import { OPERATIONS } from '../config.js';
import { createShopWorker, type ShopWorker } from '../worker.js';
import { planServers, refuseContradictions, withOperations } from './plan.js';
import { startServers, type ServerOptions, type Servers } from './servers.js';

/** The servers and a worker of the shop, all running. */
export interface Running {
  readonly servers: Servers;
  readonly shop: ShopWorker;
  /** Resolves when something that must not end has ended; the error has the last lines. Never rejects. */
  readonly died: Promise<Error>;
  /** Stops the worker, then the servers. */
  readonly stop: () => Promise<void>;
}

/** What the development programs may choose. */
export interface BootOptions extends Pick<ServerOptions, 'state' | 'fresh' | 'ports' | 'abort'> {
  readonly faults?: string;
  readonly onProgress: (line: string) => void;
}

/** Starts the servers that are missing, and a worker. */
export async function boot({ faults, onProgress, ...options }: BootOptions): Promise<Running> {
  Runtime.install({ shutdownSignals: [], logger: transactionLogger('ERROR') });
  let onDeath: (report: Error) => void = () => undefined;
  const died = new Promise<Error>((resolve) => {
    onDeath = resolve;
  });
  const databases = withOperations(serviceNames);
  const wanted = { ...options, databases, searchAttributes: searchAttributeTypes };
  refuseContradictions(planServers(wanted), wanted);
  const servers = await startServers({
    ...wanted,
    onProgress,
    onDeath,
  });
  try {
    const { temporal } = servers;
    const shop = await createShopWorker(temporal, {
      databaseUrls: Object.fromEntries(serviceNames.map((name) => [name, servers.databaseUrl(name)])),
      operationsUrl: databases.includes(OPERATIONS) ? servers.databaseUrl(OPERATIONS) : undefined,
      poolSize: 20,
      faults,
    });
    shop.run().catch(onDeath);
    await shop.deliver();
    const stop = async () => {
      await shop.stop();
      await servers.stop();
    };
    return { servers, shop, died, stop };
  } catch (error) {
    await servers.stop();
    throw error;
  }
}
