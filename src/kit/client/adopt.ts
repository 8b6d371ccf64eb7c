import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { initialAttributes } from '../workflow/attributes.js';
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
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}
