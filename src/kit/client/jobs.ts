import { randomUUID } from 'node:crypto';
import { type Client, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import type { LogPage } from '../workflow/log.js';
import {
  relayId,
  type LettersDecided,
  type LettersFilter,
  type LettersOrder,
  type ShownMessages,
} from '../workflow/outbox.js';
import type { ScanOrder, ScanReport } from '../workflow/scan.js';
import { NoWorker } from './errors.js';
import { TASK_FAILURES } from './failing-task.js';
import { isRelayRunning } from './outbox.js';
import { ask, explained, hasWorker, waitUntil } from './server.js';
import { TimeIsOver } from './race.js';

/** Workflows that are no transactions: work that somebody asks for and waits for. */

const JOB_MS = 10 * 60_000;
/** How often it is looked whether a worker is still there, and can do it, while a job is waited for. */
const LOOK_MS = 20_000;

/**
 * Runs a workflow and waits for it, at most ten minutes; what has not ended then is ended.
 *
 * @throws NoWorker when no worker serves; Error when it failed, or when the workers cannot run it;
 * ServerUnavailable
 */
export async function runJob<Result>(
  client: Client,
  { taskQueue }: { readonly taskQueue: string },
  workflow: string,
  workflowId: string,
  args: unknown[],
): Promise<Result> {
  const handle = await ask(client, () => client.workflow.start(workflow, { workflowId, taskQueue, args }));
  const until = Date.now() + JOB_MS;
  for (;;) {
    try {
      return (await waitUntil(client, Math.min(until, Date.now() + LOOK_MS), () => handle.result())) as Result;
    } catch (error) {
      if (error instanceof WorkflowFailedError)
        throw new Error(`${workflow} failed: ${firstCause(error)}`, { cause: error });
      if (!(error instanceof TimeIsOver)) throw explained(client, error);
      const hindrance = await hindranceOf(client, taskQueue, workflow, handle, until);
      if (hindrance === undefined) continue;
      await ask(client, () => handle.terminate('nobody waits for it any more'));
      throw hindrance;
    }
  }
}

/** Why it is not waited for any longer, if so. */
async function hindranceOf(
  client: Client,
  taskQueue: string,
  workflow: string,
  handle: WorkflowHandle,
  until: number,
): Promise<Error | undefined> {
  if (!(await hasWorker(client, taskQueue))) return new NoWorker(taskQueue, client.options.namespace);
  const { raw } = await ask(client, () => handle.describe());
  if ((raw.pendingWorkflowTask?.attempt ?? 0) > TASK_FAILURES) {
    return new Error(
      `${workflow} cannot run: the workers of task queue '${taskQueue}' fail its task; their log says why (do they export it?)`,
    );
  }
  return Date.now() < until ? undefined : new Error(`${workflow} did not end within ${JOB_MS / 60_000} minutes`);
}

/** What a workflow has failed of in the end, in one line. */
export function firstCause(error: Error): string {
  let cause: unknown = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  return cause instanceof Error ? cause.message : String(cause);
}

/** Runs the scan once, now. Errors as {@link runJob}'s. */
export function scanNow(
  client: Client,
  where: { readonly taskQueue: string },
  order: ScanOrder = {},
): Promise<ScanReport> {
  return runJob<ScanReport>(client, where, 'scanTransactions', `scan-${randomUUID()}`, [order]);
}

/** Reads the log of a transaction, the part that begins with this entry. Errors as {@link runJob}'s. */
export function readLog(
  client: Client,
  where: { readonly taskQueue: string },
  gid: string,
  from = 0,
): Promise<LogPage> {
  return runJob<LogPage>(client, where, 'showLog', `show-log-${randomUUID()}`, [gid, from]);
}

/** Shows how the outboxes stand, and what they could not deliver. Errors as {@link runJob}'s. */
export function showMessages(
  client: Client,
  where: { readonly taskQueue: string },
  filter: LettersFilter = {},
): Promise<ShownMessages> {
  return runJob<ShownMessages>(client, where, 'showMessages', `show-messages-${randomUUID()}`, [filter]);
}

/**
 * Decides about messages that could not be delivered: all that the order finds when it begins. Many take their time: what ten minutes are not
 * enough for is found by the same order again. What is left over in a stream is not dropped while the workflow that delivered it
 * runs: workers of another release may have that stream. Errors as {@link runJob}'s.
 */
export async function decideMessages(
  client: Client,
  where: { readonly taskQueue: string },
  order: LettersOrder,
): Promise<LettersDecided> {
  const { left: stream } = order;
  if (stream !== undefined) {
    const [outbox = ''] = stream.split('/');
    const relay = { outbox, stream };
    if (await isRelayRunning(client, where.taskQueue, relay)) {
      const message = `'${stream}' may be delivered by workers of another release: its workflow ${relayId(where.taskQueue, relay)} runs; when none of them has it, terminate that first`;
      return { decided: [], count: 0, unread: [{ outbox, message }] };
    }
  }
  return runJob<LettersDecided>(client, where, 'decideLetters', `decide-messages-${randomUUID()}`, [order]);
}
