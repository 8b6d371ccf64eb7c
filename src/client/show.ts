import { NoWorker, showTransaction, type ShownTransaction } from '../kit/client/index.js';
import { noWorker, type Session } from './session.js';

/**
 * Shows a transaction, whoever drives it: one that is no workflow is asked of a worker.
 *
 * @throws as {@link showTransaction}; NotReady when no worker serves
 */
export function shown({ client, settings }: Session, gid: string): Promise<ShownTransaction> {
  return showTransaction(client, gid, settings).catch((error: unknown) => {
    throw error instanceof NoWorker ? noWorker(settings) : error;
  });
}
