import { msToNumber } from '@temporalio/common/lib/time.js';
import { TransactionPending, type CallOptions } from '../kit/client/index.js';
import type { Output } from './output.js';

/** How long a transaction is waited for before it is looked whether any worker is there. */
const LOOK_MS = 5_000;

/**
 * Calls a transaction, and says so on stderr when it takes longer than a moment.
 *
 * @throws as the transaction; {@link TransactionPending} as soon as it is known that nobody works on it
 */
export async function callPatiently<Given, Result>(
  output: Output,
  gid: string,
  transaction: (given: Given, options: CallOptions) => Promise<Result>,
  given: Given,
  call: CallOptions,
): Promise<Result> {
  const total = msToNumber(call.wait ?? 0);
  try {
    return await transaction(given, { ...call, wait: Math.min(total, LOOK_MS) });
  } catch (error) {
    const goesOn = error instanceof TransactionPending && !error.noWorker && error.report === undefined;
    if (!goesOn || total <= LOOK_MS) throw error;
    output.note(`${gid} has not ended yet; waiting ${Math.round((total - LOOK_MS) / 1000)} s more`);
    return transaction(given, { ...call, wait: total - LOOK_MS });
  }
}
