import { type Client, WorkflowFailedError } from '@temporalio/client';
import type { TemporalSettings } from '../config.js';
import { hasWorker } from '../kit/client/index.js';
import { ask, explained, TimeIsOver, waitUntil } from '../kit/client/server.js';
import { noWorker } from './session.js';

/** Workflows that are no transactions: work that the command line asks for and waits for. */

const JOB_MS = 10 * 60_000;
/** How often it is looked whether a worker is still there, while a job is waited for. */
const LOOK_MS = 20_000;

/**
 * Runs a workflow and waits for it, at most ten minutes.
 *
 * @throws NotReady when no worker serves any more
 */
export async function runJob<Result>(
  client: Client,
  where: TemporalSettings,
  workflow: string,
  workflowId: string,
  args: unknown[],
): Promise<Result> {
  const { taskQueue } = where;
  const handle = await ask(client, () => client.workflow.start(workflow, { workflowId, taskQueue, args }));
  const until = Date.now() + JOB_MS;
  for (;;) {
    try {
      return (await waitUntil(client, Math.min(until, Date.now() + LOOK_MS), () => handle.result())) as Result;
    } catch (error) {
      if (error instanceof WorkflowFailedError)
        throw new Error(`${workflow} failed: ${firstCause(error)}`, { cause: error });
      if (!(error instanceof TimeIsOver)) throw explained(client, error);
      const served = await hasWorker(client, taskQueue);
      if (served && Date.now() < until) continue;
      await ask(client, () => handle.terminate('nobody waits for it any more'));
      throw served ? new Error(`${workflow} did not end within ${JOB_MS / 60_000} minutes`) : noWorker(where);
    }
  }
}

function firstCause(error: Error): string {
  let cause: unknown = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  return cause instanceof Error ? cause.message : String(cause);
}
