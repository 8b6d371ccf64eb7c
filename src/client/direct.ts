import type { DirectLane } from '../kit/client/index.js';

/** The process of the command line as the driver of transactions, for the lane `direct`. */
export interface Driver {
  readonly lane: DirectLane;
  readonly close: () => Promise<void>;
}

/**
 * Opens what this process needs to drive transactions itself: the services, and their databases. That is loaded here and
 * only when it is asked for: every other command is a client of Temporal, and knows no service and no database.
 *
 * @throws ConfigError: one line
 */
export async function openDriver(onHandOver: (gid: string, why: Error) => void): Promise<Driver> {
  const { openShopDriver } = await import('../direct.js');
  return openShopDriver(onHandOver);
}
