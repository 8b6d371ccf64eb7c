import { setTimeout } from 'node:timers/promises';
import {
  type Client,
  isGrpcServiceError,
  QueryNotRegisteredError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { DECIDE_UPDATE, type DeskNote, type DeskOrder } from '../workflow/desk.js';
import { OPERATE_UPDATE, type OperatorNote, type OperatorOrder } from '../workflow/operate.js';
import { TOO_EARLY } from '../workflow/view.js';
import { OrderRefused, TransactionNotFound, WorkerSilent } from './errors.js';
import { ANSWER_MS, explained, waitUntil } from './server.js';
import { TimeIsOver } from './race.js';

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
  const until = Date.now() + ANSWER_MS;
  try {
    for (;;) {
      try {
        return await waitUntil(client, until, () =>
          client.workflow.getHandle(gid).executeUpdate<Note, [unknown]>(name, { args: [order] }),
        );
      } catch (error) {
        if (!wasDropped(error) || Date.now() >= until) throw error;
        await setTimeout(AGAIN_MS);
      }
    }
  } catch (error) {
    if (error instanceof TimeIsOver || wasDropped(error)) throw new WorkerSilent(gid, ANSWER_MS);
    if (error instanceof WorkflowNotFoundError) throw new TransactionNotFound(gid, client.options.namespace, 'running');
    if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) {
      throw new OrderRefused(gid, error.cause.message);
    }
    throw explained(client, error);
  }
}

/** Between two tries of an update that was dropped. */
const AGAIN_MS = 100;
/** gRPC's number for what cannot be done in the state that something is in. */
const FAILED_PRECONDITION = 9;

/**
 * Whether the server dropped an update with the workflow's task that carried it: something else came in while the task
 * was about to end the workflow; or did not take it, as the task has failed and is about to be tried again (its worker was killed, or was
 * too slow). Nothing of it happened.
 */
export function wasDropped(error: unknown): boolean {
  const grpc = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  return (
    isGrpcServiceError(grpc) &&
    (grpc.code as number) === FAILED_PRECONDITION &&
    /workflow task failure|Workflow Task in failed state/.test(grpc.details || grpc.message)
  );
}

/** Whether a query has come before the task that is due: the next one is answered once that is done. */
export function isTooEarly(error: unknown): boolean {
  return error instanceof QueryNotRegisteredError && error.message.includes(TOO_EARLY);
}
