import { type Client, WorkflowExecutionAlreadyStartedError, type WorkflowExecutionInfo } from '@temporalio/client';
import { startOptions } from '../client/adopt.js';
import type { SagaCall, Settle } from '../workflow/saga/definition.js';
import { readEndedRun } from './ended-run.js';

/** How runs end that nobody but an operator, or a timeout that nobody should have set, has ended. */
const ENDED = ['TERMINATED', 'TIMED_OUT', 'FAILED', 'CANCELLED'];

/**
 * Starts the workflows that finish the members of a group whose run was ended from outside: each looks at what became of
 * its steps, as any transaction whose run was ended does. One that had ended before ends so again; one that had left the
 * group has a workflow already.
 *
 * @returns the gids of those that were started
 * @throws whatever keeps one from being started: those before it are
 */
export async function settleGroup(
  client: Client,
  { workflowId, runId }: Pick<WorkflowExecutionInfo, 'workflowId' | 'runId'>,
): Promise<string[]> {
  const ended = await client.workflow.getHandle(workflowId, runId).describe();
  if (!ENDED.includes(ended.status.name)) return [];
  const { args, how } = await readEndedRun(client, { workflowId, runId, status: ended.status.name });
  const { group, ...overrides } = (args[1] ?? {}) as SagaCall;
  const settle: Settle = {
    failedAt: ended.closeTime?.getTime() ?? Date.now(),
    reason: `its group ${workflowId}: ${how}`,
  };
  const started: string[] = [];
  for (const { gid, input, inputHash, summary, details } of group?.members ?? []) {
    const start = { input, inputHash, summary, details, transaction: ended.type, taskQueue: ended.taskQueue };
    const call: SagaCall = { ...overrides, settle };
    try {
      await client.workflow.start(ended.type, startOptions(gid, { ...start, scheme: 'saga', overrides: call }));
      started.push(gid);
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  }
  return started;
}
