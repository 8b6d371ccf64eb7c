import type { Client } from '@temporalio/client';
import type { Transfer } from '../../src/contracts/transfer.js';
import {
  TransactionCompensated,
  transactionClient,
  TransactionPending,
  type TransactionClientOptions,
  type WaitOptions,
} from '../../src/kit/client/index.js';
import { schemes, type SchemeName } from './schemes.js';

/** How a transfer ended: `left` waits for a person, or has not ended in the time that it was given. */
export type End = 'done' | 'undone' | 'left';

/** Makes the function that moves money by a scheme, and waits. It throws whatever else comes of it. */
export function callerOf(
  client: Client,
  scheme: SchemeName,
  where: TransactionClientOptions,
  { wait }: WaitOptions = {},
): (transfer: Transfer) => Promise<End> {
  const move = transactionClient(client, where).of(schemes[scheme]);
  return async (transfer) => {
    try {
      await move(transfer, { wait });
      return 'done';
    } catch (error) {
      if (error instanceof TransactionCompensated) return 'undone';
      if (error instanceof TransactionPending) return 'left';
      throw error;
    }
  };
}
