import { randomUUID } from 'node:crypto';
import { type Client, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, rootCause } from '@temporalio/common';
import {
  RECONCILE,
  RECONCILE_PROGRESS,
  type ReconcileOrder,
  type ReconcileProgress,
  type ReconcileReport,
} from '../workflow/reconcile/reconcile.js';
import { NoWorker, TransactionPending } from './errors.js';
import { InvalidInput } from './input.js';
import { TimeIsOver } from './race.js';
import { ask, explained, hasWorker, waitUntil } from './server.js';

/** How often it is looked how far it has got, in milliseconds. */
const LOOK_MS = 2_000;

export interface ReconcileWait {
  /** How long it is waited for, in milliseconds: it goes on. Default: 1 hour */
  readonly waitMs?: number;
  readonly onProgress?: (progress: ReconcileProgress) => void;
}

/**
 * Runs the reconciliation now, and waits for its report.
 *
 * @throws InvalidInput for a pair that is not there;
 * TransactionPending with the id of its workflow where it has not ended in time: it goes on by itself, and its result is the report;
 * NoWorker; Error where it failed; ServerUnavailable
 */
export async function reconcileNow(
  client: Client,
  { taskQueue }: { readonly taskQueue: string },
  order: ReconcileOrder = {},
  { waitMs = 3_600_000, onProgress }: ReconcileWait = {},
): Promise<ReconcileReport> {
  const workflowId = `${taskQueue}-reconcile-${randomUUID()}`;
  const start = () => client.workflow.start(RECONCILE, { workflowId, taskQueue, args: [order] });
  const handle = await ask(client, start);
  const until = Date.now() + waitMs;
  for (;;) {
    try {
      return (await waitUntil(client, Math.min(until, Date.now() + LOOK_MS), () => handle.result())) as ReconcileReport;
    } catch (error) {
      if (error instanceof WorkflowFailedError) {
        const why = invalidOf(error);
        if (why !== undefined) throw new InvalidInput([{ field: 'order', value: order, rule: why }]);
        throw new Error(`the reconciliation failed: ${rootCause(error) ?? error.message}`, { cause: error });
      }
      if (!(error instanceof TimeIsOver)) throw explained(client, error);
    }
    const isServed = await hasWorker(client, taskQueue);
    if (Date.now() >= until)
      throw new TransactionPending({ gid: workflowId, state: 'running', taskQueue, noWorker: !isServed });
    if (!isServed) {
      await ask(client, () => handle.terminate('nobody serves it, and nobody waits for it'));
      throw new NoWorker(taskQueue, client.options.namespace);
    }
    onProgress?.(await ask(client, () => handle.query<ReconcileProgress>(RECONCILE_PROGRESS)).catch(() => NOT_KNOWN));
  }
}

/** Why the order was refused, if it was. */
function invalidOf(error: Error): string | undefined {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ApplicationFailure && cause.type === 'InvalidInput') return cause.message;
  }
  return undefined;
}

/** A worker that is busy answers no query: whoever waits sees it the next time. */
const NOT_KNOWN: ReconcileProgress = { done: 0, total: 0 };
