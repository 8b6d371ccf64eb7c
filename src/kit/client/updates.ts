import { setTimeout } from 'node:timers/promises';
import {
  type Client,
  isGrpcServiceError,
  QueryNotRegisteredError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { TOO_EARLY } from '../workflow/view.js';
import { waitUntil } from './server.js';

/** Between two tries of an update that was dropped, in milliseconds. */
const AGAIN_MS = 100;
/** gRPC's number for what cannot be done in the state that something is in. */
const FAILED_PRECONDITION = 9;

/**
 * Makes an update, again as long as the server drops it, and waits for its answer.
 *
 * @param until milliseconds since 1970
 * @param update makes one update each time
 * @throws TimeIsOver when there is no answer by then; else what the update throws
 */
export async function untilTaken<T>(client: Client, until: number, update: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await waitUntil(client, until, update);
    } catch (error) {
      if (!wasDropped(error) || Date.now() >= until) throw error;
      await setTimeout(AGAIN_MS);
    }
  }
}

/**
 * Whether the server dropped an update with the workflow's task that carried it: something else came in while the task
 * was about to end the workflow; or did not take it, as the task has failed and is about to be tried again (its worker was killed, or was
 * too slow); or the task has ended without a word of it, as what the server sent of it was lost on its way to the worker. Nothing of it
 * happened.
 */
export function wasDropped(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  if (error instanceof WorkflowUpdateFailedError) {
    return cause instanceof ApplicationFailure && cause.type === 'UnprocessedUpdate';
  }
  const grpc = isGrpcServiceError(cause) ? cause : error;
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
