import type { Client } from '@temporalio/client';
import type { BankName, Transfer, Transferred } from '../contracts/transfer.js';
import type { CallOptions, DirectLane } from '../kit/client/index.js';

/** The process of the command line as the driver of transactions, for the lane `direct`. */
export interface Driver {
  readonly lane: DirectLane;
  readonly close: () => Promise<void>;
}

/** The process of the command line as the producer of messages. */
export interface Producer {
  /** Makes a transfer by message, with the debit as this process's own local transaction. */
  readonly sendTransfer: (
    where: { readonly client: Client; readonly taskQueue: string },
    transfer: Transfer,
    options?: CallOptions,
  ) => Promise<Transferred>;
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

/**
 * Opens what this process needs to do a bank's part of a transfer by message: that bank, and its database. It is loaded as above.
 *
 * @throws ConfigError: one line
 */
export async function openProducer(bank: BankName): Promise<Producer> {
  const { openShopProducer } = await import('../direct.js');
  return openShopProducer(bank);
}
