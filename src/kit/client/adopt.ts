import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { initialAttributes } from '../workflow/attributes.js';
import { GID_CONFLICT, type Adopt, type StartOrder } from '../workflow/fate.js';

/** How runs end that were refused before they did anything: their gid is free. */
const REFUSED = [GID_CONFLICT, 'InvalidOptions'];

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
export async function startAdopting(client: Client, gid: string, start: StartOrder, adopt?: Adopt): Promise<boolean> {
  const options = startOptions(gid, start, adopt);
  const tryToStart = async (workflowIdReusePolicy: 'REJECT_DUPLICATE' | 'ALLOW_DUPLICATE') => {
    try {
      await client.workflow.start(start.transaction, { ...options, workflowIdReusePolicy });
      return true;
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
      throw error;
    }
  };
  if (await tryToStart('REJECT_DUPLICATE')) return true;
  return (await wasRefused(client, gid)) && tryToStart('ALLOW_DUPLICATE');
}

/** Whether the newest run of an id was refused: it has done nothing, and decided nothing. */
export async function wasRefused(client: Client, workflowId: string): Promise<boolean> {
  const { status, runId } = await client.workflow.getHandle(workflowId).describe();
  if (status.name !== 'FAILED') return false;
  try {
    await client.workflow.getHandle(workflowId, runId).result();
    return false;
  } catch (error) {
    const cause = error instanceof WorkflowFailedError ? error.cause : undefined;
    return cause instanceof ApplicationFailure && REFUSED.includes(cause.type ?? '');
  }
}
