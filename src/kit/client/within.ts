import type { Client } from '@temporalio/client';
import { TransactionPending } from './errors.js';
import { TimeIsOver, within } from './race.js';
import { hasWorker } from './server.js';

/** Waits for what becomes of a transaction, for no longer than a caller wants to. @throws TransactionPending when it is not known by then */
export async function orPending<T>(
  client: Client,
  { gid, taskQueue }: { readonly gid: string; readonly taskQueue: string },
  coming: Promise<T>,
  until: number,
): Promise<T> {
  try {
    return await within(coming, until);
  } catch (error) {
    if (!(error instanceof TimeIsOver)) throw error;
    // Where the server cannot tell, it goes on all the same.
    const noWorker = !(await hasWorker(client, taskQueue).catch(() => true));
    throw new TransactionPending({ gid, state: 'running', taskQueue, noWorker });
  }
}
