import type { Client } from '@temporalio/client';
import { msToNumber } from '@temporalio/common/lib/time.js';
import { createFaults } from './activities/faults.js';
import { createOneBank, createShop, serviceNames } from './activities/index.js';
import { workerSettings } from './config.js';
import { wantedFaults } from './faults.js';
import { transferMessageTransaction } from './contracts/transactions.js';
import type { BankName, Transfer, Transferred } from './contracts/transfer.js';
import { messageSender, type CallOptions } from './kit/client/index.js';
import { directLane, transactionalMessage, type DirectLane } from './kit/direct/index.js';
import { functionsOf } from './kit/direct/participants.js';
import type { Operation } from './kit/workflow/branch.js';
import { Pools } from './pools.js';
import { placeOrder } from './workflows/place-order.js';
import { transferSaga, transferSagaLocked } from './workflows/transfer.js';

/** The shop's transactions, driven by this process. */
export interface ShopDriver {
  readonly lane: DirectLane;
  /** Ends what is under way, or gives it to workflows; then closes the pools. */
  readonly close: () => Promise<void>;
}

/** The producer of one bank's transfers by message, in this process. */
export interface ShopProducer {
  /** Makes a transfer of this bank's account: the debit is this process's own local transaction. Resolves when every account was credited. */
  readonly sendTransfer: (where: Where, transfer: Transfer, options?: CallOptions) => Promise<Transferred>;
  readonly close: () => Promise<void>;
}

/** Where the worker of a transfer is. */
interface Where {
  readonly client: Client;
  readonly taskQueue: string;
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
    const functions = functionsOf(participants);
    for (const fault of wantedFaults(wanted, [...functions.keys()])) faults.set(fault);
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

/**
 * Makes this process the producer of transfers by message, with the database of the bank whose accounts give, and no other: those that
 * get are asked by workers.
 *
 * @throws ConfigError: one line
 */
export async function openShopProducer(bank: BankName): Promise<ShopProducer> {
  const { databaseUrls, poolSize, faults: wanted } = workerSettings([bank]);
  const pools = new Pools();
  try {
    const { [bank]: database } = await pools.openServices([bank], databaseUrls, poolSize);
    const faults = createFaults();
    const functions = functionsOf({ [bank]: createOneBank(bank, { database, probe: faults.probe }) });
    for (const fault of wantedFaults(wanted, [...functions.keys()])) faults.set(fault);
    return {
      sendTransfer: async ({ client, taskQueue }, transfer, { wait = '1 hour', ...options } = {}) => {
        const until = Date.now() + msToNumber(wait);
        const sender = messageSender(client, { taskQueue }, transferMessageTransaction);
        const local = (operation: Operation, input: unknown): Promise<unknown> => {
          const debit = functions.get(operation.function);
          if (debit === undefined) throw new TypeError(`there is no function '${operation.function}'`);
          return debit(operation, input);
        };
        const sent = await transactionalMessage(sender, transfer, local, { ...options, wait });
        return sent.result({ wait: Math.max(until - Date.now(), 1) });
      },
      close: () => pools.close(),
    };
  } catch (error) {
    await pools.close();
    throw error;
  }
}
