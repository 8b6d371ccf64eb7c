import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { startAdopting, wasRefused } from '../client/adopt.js';
import type { SagaCall, Settle } from '../workflow/saga/definition.js';
import { NoAnswer } from '../database/within.js';
import { readEndedRun } from './ended-run.js';
import { ofServer } from './limited.js';
import { ENDED_FROM_OUTSIDE } from './settle.js';

/**
 * Starts the workflows that finish the members of a group whose run was ended from outside: each looks at what became of
 * its steps, like every transaction whose run was ended. One that had ended before ends so again; one that had left the
 * group has a workflow already.
 *
 * @param beat called after each member: together they may take longer than the scan may go without a sign of life. Default: nothing
 * @returns the gids of those that were started; none, if another run is newer or alive, or this one was refused at its start
 * @throws the first that keeps one from being started, such as another transaction's run under its gid: the others are
 */
export async function settleGroup(
  client: Client,
  { workflowId, runId }: Pick<WorkflowExecutionInfo, 'workflowId' | 'runId'>,
  beat: () => void = () => undefined,
): Promise<string[]> {
  const found = await ofServer(endedGroup(client, { workflowId, runId }));
  if (found === undefined) return [];
  const { ended, args, how } = found;
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
      const adopting = startAdopting(client, gid, { ...start, scheme: 'saga', overrides: call });
      if (await ofServer(adopting)) started.push(gid);
      else await ofServer(refuseOther(client, gid, start));
    } catch (error) {
      // Each further one would take as long.
      if (error instanceof NoAnswer) throw error;
      failed.push(error);
    }
    beat();
  }
  if (failed.length > 0) throw failed[0];
  return started;
}

/** The group's newest run, if that is this one, was ended from outside, and had begun. */
async function endedGroup(client: Client, { workflowId, runId }: { workflowId: string; runId: string }) {
  // The members of an older run are the newest one's.
  const ended = await client.workflow.getHandle(workflowId).describe();
  if (ended.runId !== runId || !ENDED_FROM_OUTSIDE.includes(ended.status.name)) return undefined;
  if (await wasRefused(client, workflowId)) return undefined;
  const { args, how } = await readEndedRun(client, { workflowId, runId, status: ended.status.name });
  return { ended, args, how };
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
