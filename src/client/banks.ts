import { randomUUID } from 'node:crypto';
import { runJob } from '../kit/client/index.js';
import { NotReady } from './exit.js';
import type { Session } from './session.js';

/**
 * Asks the banks something outside of any transaction.
 *
 * @param workflow which asks, given the input
 * @throws {@link NotReady}: one line, where the database of a bank cannot be asked; as {@link runJob}
 */
export async function askBanks<Result>(
  { client, settings }: Session,
  workflow: string,
  ...input: readonly unknown[]
): Promise<Result> {
  try {
    return await runJob<Result>(client, settings, workflow, `bank-${randomUUID()}`, [...input]);
  } catch (error) {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      if ('type' in cause && cause.type === 'BankSilent') throw new NotReady(cause.message, error);
    }
    throw error;
  }
}
