import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { initialAttributes } from '../workflow/attributes.js';
import { transactionFailure } from '../workflow/failure.js';
import type { Adopt, StartOrder } from '../workflow/fate.js';

/** What a workflow is started with, and how it is found. */
export function startOptions(gid: string, start: StartOrder, adopt?: Adopt) {
  const { taskQueue, input, overrides, summary, details, scheme, inputHash } = start;
  const options = adopt === undefined ? overrides : { ...overrides, adopt };
  return {
    workflowId: gid,
    taskQueue,
    args: options === undefined ? [input] : [input, options],
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    staticSummary: summary,
    staticDetails: details,
    typedSearchAttributes: initialAttributes(scheme),
    memo: { inputHash },
  } as const;
}

/**
 * Starts the workflow that takes over a transaction which was driven outside Temporal.
 *
 * @returns whether it was started now; else it was before
 * @throws what the server says: whether it was started is not known, and starting it again is safe
 */
export async function startAdopting(client: Client, gid: string, start: StartOrder, adopt: Adopt): Promise<boolean> {
  try {
    await client.workflow.start(start.transaction, startOptions(gid, start, adopt));
    return true;
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  if (!(await wasConflict(client, gid, start))) return false;
  try {
    // At most one run of a gid is alive.
    const again = { ...startOptions(gid, start, adopt), workflowIdReusePolicy: 'ALLOW_DUPLICATE' } as const;
    await client.workflow.start(start.transaction, { ...again, workflowIdConflictPolicy: 'FAIL' });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}

/** Whether the workflow that has the gid has ended with nothing done, as its input was another than the transaction's. */
async function wasConflict(client: Client, gid: string, { inputHash }: StartOrder): Promise<boolean> {
  const handle = client.workflow.getHandle(gid);
  const { status, memo, runId } = await handle.describe();
  if (status.name !== 'FAILED' || memo?.inputHash === inputHash) return false;
  const failure: unknown = await client.workflow
    .getHandle(gid, runId)
    .result()
    .catch((error: unknown) => error);
  const cause = failure instanceof WorkflowFailedError ? failure.cause : undefined;
  return cause instanceof ApplicationFailure && cause.type === transactionFailure.conflict;
}
