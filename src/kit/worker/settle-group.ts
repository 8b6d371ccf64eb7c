import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { startAdopting, wasRefused } from '../client/adopt.js';
import type { SagaCall, Settle } from '../workflow/saga/definition.js';
import { readEndedRun } from './ended-run.js';
import { ENDED_FROM_OUTSIDE } from './settle.js';

/**
 * Starts the workflows that finish the members of a group whose run was ended from outside: each looks at what became of
 * its steps, like every transaction whose run was ended. One that had ended before ends so again; one that had left the
 * group has a workflow already.
 *
 * @returns the gids of those that were started; none, if another run is newer or alive, or this one was refused at its start
 * @throws the first that keeps one from being started, such as another transaction's run under its gid: the others are
 */
export async function settleGroup(
  client: Client,
  { workflowId, runId }: Pick<WorkflowExecutionInfo, 'workflowId' | 'runId'>,
): Promise<string[]> {
  // The members of an older run are the newest one's.
  const ended = await client.workflow.getHandle(workflowId).describe();
  if (ended.runId !== runId || !ENDED_FROM_OUTSIDE.includes(ended.status.name)) return [];
  if (await wasRefused(client, workflowId)) return [];
  const { args, how } = await readEndedRun(client, { workflowId, runId, status: ended.status.name });
  const { group, ...overrides } = (args[1] ?? {}) as SagaCall;
  const settle: Settle = {
    failedAt: ended.closeTime?.getTime() ?? Date.now(),
    reason: `its group ${workflowId}: ${how}`,
  };
  const started: string[] = [];
  const failed: unknown[] = [];
  for (const { gid, input, inputHash, summary, details } of group?.members ?? []) {
    const start = { input, inputHash, summary, details, transaction: ended.type, taskQueue: ended.taskQueue };
    const call: SagaCall = { ...overrides, settle };
    try {
      if (await startAdopting(client, gid, { ...start, scheme: 'saga', overrides: call })) started.push(gid);
      else await refuseOther(client, gid, start);
    } catch (error) {
      failed.push(error);
    }
  }
  if (failed.length > 0) throw failed[0];
  return started;
}

/** @throws one line if the gid's run is another transaction's: what the group has done under it nobody goes on with */
async function refuseOther(
  client: Client,
  gid: string,
  { transaction, inputHash }: { readonly transaction: string; readonly inputHash: string },
): Promise<void> {
  const { type, memo } = await client.workflow.getHandle(gid).describe();
  if (type === transaction && (memo?.inputHash === undefined || memo.inputHash === inputHash)) return;
  const what = type === transaction ? `'${type}' with other content` : `'${type}'`;
  throw new Error(
    `its member ${gid} cannot be settled: a workflow ${what} has its id, so look for what the group has done under it (tx show, log)`,
  );
}
