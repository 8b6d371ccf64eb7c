import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowExecutionDescription,
  type WorkflowExecutionInfo,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { Branch, Op } from '../workflow/branch.js';
import { TX_SCHEME, TX_STATE } from '../workflow/attributes.js';
import type { SagaCall, Settle } from '../workflow/saga/definition.js';

const UNDOS: readonly Op[] = ['compensation', 'amends'];
/** How runs end that nobody but an operator, or a timeout that nobody should have set, has ended. */
const ENDED = ['TERMINATED', 'TIMED_OUT', 'FAILED', 'CANCELLED'];

/**
 * Starts the run that finishes a transaction whose newest run was ended from outside: the same workflow, under the same
 * id, with the same input.
 *
 * @returns whether it was started; not, if another run is newer or alive
 * @throws whatever keeps it from being started: nothing has changed then
 */
export async function settle(
  client: Client,
  ended: Pick<WorkflowExecutionInfo, 'workflowId' | 'runId'>,
): Promise<boolean> {
  const { workflowId: gid, runId } = ended;
  // The list may lag: only the newest run counts, and what the server itself says of it.
  const newest = await client.workflow.getHandle(gid).describe();
  if (newest.runId !== runId || !ENDED.includes(newest.status.name)) return false;
  const started = await firstEvent(client, gid, runId);
  const [input, given = {}] = await decodeArrayFromPayloads(client.options.loadedDataConverter, started.payloads);
  const overrides = given as SagaCall;
  const settling: Settle = {
    // A settling run that was ended itself: the time counts from the first end.
    failedAt: overrides.settle?.failedAt ?? newest.closeTime?.getTime() ?? Date.now(),
    reason: await howItEnded(client, gid, runId, newest.status.name),
    ...((overrides.settle?.undo ?? (await wasUndoing(client, newest))) && { undo: true }),
  };
  const scheme = newest.typedSearchAttributes.get(TX_SCHEME);
  try {
    await client.workflow.start(newest.type, {
      workflowId: gid,
      taskQueue: newest.taskQueue,
      args: [input, { ...overrides, settle: settling }],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      memo: newest.memo,
      staticSummary: await newest.staticSummary(),
      staticDetails: await newest.staticDetails(),
      typedSearchAttributes: [
        ...(scheme === undefined ? [] : [{ key: TX_SCHEME, value: scheme }]),
        ...(scheme === undefined ? [] : [{ key: TX_STATE, value: 'running' }]),
      ],
    });
    return true;
  } catch (error) {
    // Another scan was faster.
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}

/** Whether an undo was asked: with the state's change it is on record in one task of the workflow. */
async function wasUndoing(
  client: Client,
  { workflowId, runId, typedSearchAttributes }: WorkflowExecutionDescription,
): Promise<boolean> {
  const state = typedSearchAttributes.get(TX_STATE);
  if (state !== 'stuck') return state === 'compensating';
  // It waits for a person in an undo, or past its pivot: the calls tell.
  const converter = client.options.loadedDataConverter;
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  for (const event of events ?? []) {
    const input = event.activityTaskScheduledEventAttributes?.input?.payloads;
    if (input == null) continue;
    const [branch] = (await decodeArrayFromPayloads(converter, input)) as [Partial<Branch> | undefined];
    if (UNDOS.some((op) => op === branch?.op)) return true;
  }
  return false;
}

/** What the run was started with, as payloads. */
async function firstEvent(client: Client, workflowId: string, runId: string) {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution: { workflowId, runId },
    maximumPageSize: 1,
  });
  const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
  if (started == null) throw new WorkflowNotFoundError('its history is gone', workflowId, runId);
  return { payloads: started.input?.payloads };
}

/** In one line, with who and why. */
async function howItEnded(client: Client, workflowId: string, runId: string, status: string): Promise<string> {
  const { history } = await client.workflowService.getWorkflowExecutionHistoryReverse({
    namespace: client.options.namespace,
    execution: { workflowId, runId },
    maximumPageSize: 1,
  });
  const last = history?.events?.[0];
  const { reason, identity } = last?.workflowExecutionTerminatedEventAttributes ?? {};
  const what = status.toLowerCase().replace('_', ' ');
  const by = identity ? ` by ${identity}` : '';
  return reason ? `${what}${by}: ${reason}` : `${what}${by}`;
}
