import { createFaults } from './activities/faults.js';
import { createShop, serviceNames } from './activities/index.js';
import { workerSettings } from './config.js';
import { wantedFaults } from './faults.js';
import { directLane, type DirectLane } from './kit/direct/index.js';
import { functionsOf } from './kit/direct/participants.js';
import { Pools } from './pools.js';
import { placeOrder } from './workflows/place-order.js';
import { transferSaga, transferSagaLocked } from './workflows/transfer.js';

/** The shop's transactions, driven by this process. */
export interface ShopDriver {
  readonly lane: DirectLane;
  /** Ends what is under way, or gives it to workflows; then closes the pools. */
  readonly close: () => Promise<void>;
}

/**
 * Makes this process a driver of the shop's orders and transfers: it connects to every service's database, as a worker does. The
 * databases are made by workers, which are needed anyway: they take over what a process leaves behind.
 *
 * @param onHandOver told of each transaction that was given to a workflow, with why
 * @throws ConfigError: one line
 */
export async function openShopDriver(onHandOver: (gid: string, why: Error) => void): Promise<ShopDriver> {
  const { databaseUrls, poolSize, faults: wanted } = workerSettings(serviceNames);
  const pools = new Pools();
  try {
    const databases = await pools.openServices(serviceNames, databaseUrls, poolSize);
    const faults = createFaults();
    const { participants } = createShop({ databases, probe: faults.probe });
    for (const fault of wantedFaults(wanted, [...functionsOf(participants).keys()])) faults.set(fault);
    const lane = directLane({
      sagas: { placeOrder, transferSaga, transferSagaLocked },
      participants,
      databases,
      onHandOver,
    });
    return {
      lane,
      close: async () => {
        await lane.close();
        await pools.close();
      },
    };
  } catch (error) {
    await pools.close();
    throw error;
  }
}
