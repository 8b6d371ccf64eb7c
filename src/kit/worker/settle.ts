import { type Client, WorkflowExecutionAlreadyStartedError, type WorkflowExecutionInfo } from '@temporalio/client';
import { ENDED } from '../client/adopt.js';
import { stateOf } from '../client/list.js';
import { OTHER_STATE, TX_SCHEME, TX_STATE } from '../workflow/attributes.js';
import { THREE_PHASE_AGENT } from '../workflow/three-phase/protocol.js';
import type { SagaCall, Settle } from '../workflow/saga/definition.js';
import { readEndedRun } from './ended-run.js';
import { settleMachine } from './settle-machine.js';

/** How runs end that nobody but an operator, or a timeout that nobody should have set, has ended. */
export const ENDED_FROM_OUTSIDE = ['TERMINATED', 'TIMED_OUT', 'FAILED', 'CANCELLED'];

/** The states of a transaction that has not ended. */
export const OPEN_STATES: readonly string[] = ['running', 'compensating', 'stuck'];

/**
 * Whether a run that is over has come to its end by its own code, as far as the server's list tells. One that was ended from outside
 * may show how it ended, and have had that still to write where others look for it.
 */
export function hasEndedItself(run: Pick<WorkflowExecutionInfo, 'status' | 'typedSearchAttributes'>): boolean {
  const state = stateOf(run);
  return state === OTHER_STATE || (ENDED.includes(run.status.name) && !OPEN_STATES.includes(state));
}

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
  if (newest.runId !== runId || !ENDED_FROM_OUTSIDE.includes(newest.status.name)) return false;
  if (newest.typedSearchAttributes.get(TX_SCHEME) === 'machine') return settleMachine(client, newest);
  const run = await readEndedRun(client, { workflowId: gid, runId, status: newest.status.name });
  const [input, given = {}] = run.args;
  const overrides = given as SagaCall;
  const before = overrides.settle;
  const decisions = [...(before?.decisions ?? []), ...run.decisions];
  const forced = run.decisions.some(({ action }) => action === 'forward');
  // An agent shows its state only where people may ask for it: its calls tell.
  const wasUndoing = newest.type === THREE_PHASE_AGENT ? run.undoing : run.compensating;
  const undoing = wasUndoing || (before?.undo === true && !forced);
  const confirm = [...new Set([...(before?.confirm ?? []), ...run.confirming])];
  const settling: Settle = {
    // A settling run that was ended itself: the time counts from the first end.
    failedAt: before?.failedAt ?? newest.closeTime?.getTime() ?? Date.now(),
    reason: run.how,
    ...(undoing && { undo: true }),
    ...(confirm.length > 0 && { confirm }),
    ...(decisions.length > 0 && { decisions }),
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
