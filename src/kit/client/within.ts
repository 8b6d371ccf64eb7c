import type { Client } from '@temporalio/client';
import { TransactionPending } from './errors.js';
import { hasWorker, TimeIsOver } from './server.js';

/** `setTimeout` takes no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Waits for what is not asked of the server, for no longer than a caller wants to; it goes on.
 *
 * @param until milliseconds since 1970
 * @throws TimeIsOver when there is nothing by then
 */
export async function within<T>(coming: Promise<T>, until: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    const give = () => {
      reject(new TimeIsOver());
    };
    timer = setTimeout(give, Math.min(Math.max(until - Date.now(), 0), MAX_TIMER_MS));
  });
  try {
    return await Promise.race([coming, over]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits so for what becomes of a transaction. @throws TransactionPending when it is not known by then */
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
