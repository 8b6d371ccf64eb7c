import { type Client, WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { DECIDE_UPDATE, type DeskNote, type DeskOrder } from '../workflow/desk.js';
import { OPERATE_UPDATE, type OperatorNote, type OperatorOrder } from '../workflow/operate.js';
import { OrderRefused, TransactionNotFound, WorkerSilent } from './errors.js';
import { ANSWER_MS, explained } from './server.js';
import { TimeIsOver } from './race.js';
import { untilTaken, wasDropped } from './updates.js';

/**
 * Decides about a branch that waits at the desk.
 *
 * @throws OrderRefused when it does not fit, as things stand: the message says what would; TransactionNotFound when
 * there is no such transaction, or it has ended; WorkerSilent when no worker answers within 30 s: whether it was carried
 * out is not known then, and asking again is safe; ServerUnavailable
 */
export function decide(client: Client, gid: string, order: DeskOrder): Promise<DeskNote> {
  return update<DeskNote>(client, gid, DECIDE_UPDATE, order);
}

/** Cancels, pauses or resumes a transaction, or moves its deadline. The same errors as {@link decide}. */
export function operate(client: Client, gid: string, order: OperatorOrder): Promise<OperatorNote> {
  return update<OperatorNote>(client, gid, OPERATE_UPDATE, order);
}

async function update<Note>(
  client: Client,
  gid: string,
  name: string,
  order: DeskOrder | OperatorOrder,
): Promise<Note> {
  const handle = client.workflow.getHandle(gid);
  try {
    return await untilTaken(client, Date.now() + ANSWER_MS, () =>
      handle.executeUpdate<Note, [unknown]>(name, { args: [order] }),
    );
  } catch (error) {
    if (error instanceof TimeIsOver || wasDropped(error)) throw new WorkerSilent(gid, ANSWER_MS);
    if (error instanceof WorkflowNotFoundError) throw new TransactionNotFound(gid, client.options.namespace, 'running');
    if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) {
      throw new OrderRefused(gid, error.cause.message);
    }
    throw explained(client, error);
  }
}
