import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { initialAttributes } from '../workflow/attributes.js';
import { GID_CONFLICT, type Adopt, type Standing, type StartOrder } from '../workflow/fate.js';

/** How they end who end by their own code. */
export const ENDED: readonly string[] = ['COMPLETED', 'FAILED'];
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
 * @param look how the transaction stands in its home: a run of the gid that has ended without having taken it over is none of
 * its. Where that cannot be seen, only a run that was refused is none
 * @returns whether it was started now; else it was before
 * @throws what the server says: whether it was started is not known, and starting it again is safe
 */
export async function startAdopting(
  client: Client,
  gid: string,
  start: StartOrder,
  adopt?: Adopt,
  look?: () => Promise<Standing>,
): Promise<boolean> {
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
  return (await hasOlderEnd(client, gid, look)) && tryToStart('ALLOW_DUPLICATE');
}

/** Whether the newest run of a gid has ended, and that is not the transaction's end. */
async function hasOlderEnd(client: Client, gid: string, look?: () => Promise<Standing>): Promise<boolean> {
  if (look !== undefined) {
    const { status } = await client.workflow.getHandle(gid).describe();
    // What was ended from outside the scan goes on with.
    if (!ENDED.includes(status.name)) return false;
    // Looked at only now: what this run has taken over, if anything, it had before it ended.
    const { announced, driver } = await look();
    if (announced !== undefined) return announced.run === undefined;
    if (driver === undefined) return true;
  }
  return wasRefused(client, gid);
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
