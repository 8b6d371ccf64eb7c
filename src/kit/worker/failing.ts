import { isGrpcServiceError, type Client, type WorkflowExecutionDescription } from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { failingTask, TASK_FAILURES } from '../client/failing-task.js';
import { messageOf } from '../database/message.js';
import { TX_SCHEME } from '../workflow/attributes.js';
import type { FailingRun, ScanSince } from '../workflow/scan.js';
import type { Carried } from '../workflow/state-machine/carried.js';
import { eachInTime, ofServer } from './limited.js';
import { settle } from './settle.js';
import { BEGUN_ANEW } from './settle-machine.js';

/**
 * Open runs whose workflow task keeps failing: the server tries it forever, tells nobody, and whoever waits hears nothing.
 *
 * States of such a run: failing → told, and left: a release is to be rolled back, or a person ends it. A state machine's, whose code does
 * not fit its history for longer than a while → ended and begun anew from its row, once → failing again: told.
 *
 * Why a machine may be ended: all that it has done is in its row, and what it had not seen to its history tells
 * (`settle-machine.ts`). Why nothing else is: of a transaction the run is what knows, and to end it may undo it.
 * Why not many: that is a release that does not fit. Rolled back it heals all of them; those begun anew meanwhile would then not fit the
 * release before. So where more than {@link MOST_A_DAY} fail so, for however short a time, or were begun anew within a day, none is ended.
 *
 * The server's list does not say which runs fail (`TemporalReportedProblems` is of servers from 1.30 on): they are looked at one by one, the newest
 * first, so many a scan, and the next scan goes on where this one has ended.
 */

const MOST_LOOKED_AT = 1_000;
const CONCURRENCY = 10;
const PAGE = 200;
/** So many machines that do not fit are a defect of a few; more are a release. */
const MOST_UNFIT = 20;
/** Of machines that were ended within a day so many are looked at, the newest first: whether that was to begin them anew. */
const MOST_ENDED = 500;
const DAY_MS = 24 * 60 * 60_000;
const MOST_TOLD = 1_000;
/** gRPC: there is no such run. */
const NOT_FOUND = 5;
/** What is younger has not failed for long. */
const YOUNG_MS = 60_000;
const FAILING_MS = 10 * 60_000;

export interface FailingFound {
  readonly failing: readonly FailingRun[];
  /** Where the next scan goes on, in milliseconds since 1970; absent: from the newest. */
  readonly failingFrom?: number;
}

/** @param onFailure told of one that could not be looked at, or begun anew: the next scan that comes to it tries again */
export async function lookAfterFailing(
  client: Client,
  order: Pick<ScanSince, 'failingMs' | 'failingFrom' | 'taskFailures' | 'mostUnfit'>,
  { beat, onFailure }: { readonly beat: () => void; readonly onFailure: (gid: string, message: string) => void },
): Promise<FailingFound> {
  const { failingMs = FAILING_MS, taskFailures = TASK_FAILURES, mostUnfit = MOST_UNFIT } = order;
  const now = Date.now();
  const from = order.failingFrom ?? now - Math.min(YOUNG_MS, failingMs);
  const query = `ExecutionStatus = 'Running' AND ${TX_SCHEME.name} IS NOT NULL AND StartTime <= '${new Date(from).toISOString()}'`;
  const open = eachInTime(client.workflow.list({ query, pageSize: PAGE }));
  const failing: FailingRun[] = [];
  const unfit: { readonly at: number; readonly run: WorkflowExecutionDescription; readonly isOld: boolean }[] = [];
  let looked = 0;
  let last = from;
  let isOver = false as boolean;
  const lane = async (): Promise<void> => {
    while (!isOver && looked < MOST_LOOKED_AT) {
      looked++;
      const next = await open.next();
      if (next.done === true) {
        isOver = true;
        return;
      }
      const { workflowId, runId, startTime } = next.value;
      last = Math.min(last, startTime.getTime());
      beat();
      try {
        const run = await ofServer(client.workflow.getHandle(workflowId, runId).describe());
        const task = run.status.name === 'RUNNING' ? await ofServer(failingTask(client, run, taskFailures)) : undefined;
        if (task === undefined || failing.length >= MOST_TOLD) continue;
        const scheme = String(run.typedSearchAttributes.get(TX_SCHEME));
        const { isNonDeterminism, isOutOfTime, ...told } = task;
        const isOld = task.since !== undefined && now - task.since >= failingMs;
        // What only runs out of time, as far as the history tells, may not fit either: a lost worker is how that begins.
        const isUnfit = scheme === 'machine' && (isNonDeterminism || isOutOfTime);
        // It is told in any case.
        const at = failing.push({ gid: workflowId, runId, scheme, ...told }) - 1;
        if (isUnfit && !(await wasBegunAnew(client, { workflowId, runId }))) unfit.push({ at, run, isOld });
      } catch (error) {
        onFailure(workflowId, messageOf(error));
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, lane));
  if (!isOver) void open.return(undefined).catch(() => undefined);
  const old = unfit.filter(({ isOld }) => isOld);
  const lately = old.length === 0 ? 0 : await begunAnewLately(client, mostUnfit, { beat, onFailure });
  for (const { at, run } of old) {
    const found = failing[at];
    // How many there were is not known: the next scan may know.
    if (found === undefined || lately === undefined) continue;
    const many = unfit.length + lately;
    if (many > mostUnfit) {
      failing[at] = { ...found, ofMany: many };
      continue;
    }
    try {
      if (!(await beginAnew(client, run, { taskFailures, beat }))) continue;
      failing[at] = { ...found, isBegunAnew: true };
    } catch (error) {
      onFailure(run.workflowId, messageOf(error));
    }
  }
  // All of them may have begun at one moment: then what is left of that moment is left out.
  const place = last === from ? from - 1 : last;
  return { failing, ...(!isOver && { failingFrom: place }) };
}

/**
 * How many machines were ended within a day to be begun anew: as the server has it, whatever became of the scans that did so.
 *
 * @returns nothing, if that cannot be known now
 */
async function begunAnewLately(
  client: Client,
  most: number,
  { beat, onFailure }: Parameters<typeof lookAfterFailing>[2],
): Promise<number | undefined> {
  const from = new Date(Date.now() - DAY_MS).toISOString();
  const query = `ExecutionStatus = 'Terminated' AND ${TX_SCHEME.name} = 'machine' AND CloseTime > '${from}'`;
  let [count, looked] = [0, 0];
  try {
    for await (const { workflowId, runId } of eachInTime(client.workflow.list({ query, pageSize: PAGE }))) {
      beat();
      const reason = await ofServer(whyEnded(client, { workflowId, runId }));
      if (reason?.startsWith(BEGUN_ANEW) === true) count++;
      if (++looked >= MOST_ENDED || count > most) break;
    }
    return count;
  } catch (error) {
    onFailure('machines that were begun anew', messageOf(error));
    return undefined;
  }
}

/** @returns nothing, if it was not terminated, or the server keeps nothing of it */
async function whyEnded(client: Client, execution: RunOf): Promise<string | null | undefined> {
  try {
    const { history } = await client.workflowService.getWorkflowExecutionHistoryReverse({
      ...{ namespace: client.options.namespace, execution, maximumPageSize: 1 },
    });
    return history?.events?.[0]?.workflowExecutionTerminatedEventAttributes?.reason;
  } catch (error) {
    if (isGrpcServiceError(error) && (error.code as number) === NOT_FOUND) return undefined;
    throw error;
  }
}

/** Ends a machine's run, and begins it anew. @returns not, if it does not fail any more */
async function beginAnew(
  client: Client,
  { workflowId, runId }: WorkflowExecutionDescription,
  { taskFailures, beat }: { readonly taskFailures: number; readonly beat: () => void },
): Promise<boolean> {
  const handle = client.workflow.getHandle(workflowId, runId);
  beat();
  // Others were looked at since it was, for a while.
  const run = await ofServer(handle.describe());
  const task = run.status.name === 'RUNNING' ? await ofServer(failingTask(client, run, taskFailures)) : undefined;
  if (task === undefined) return false;
  beat();
  await ofServer(handle.terminate(`${BEGUN_ANEW}: ${task.cause ?? ''}`));
  beat();
  // If this comes to nothing, the next scan finds a run that was ended from outside.
  await ofServer(settle(client, { workflowId, runId }));
  return true;
}

type RunOf = Pick<WorkflowExecutionDescription, 'workflowId' | 'runId'>;

async function wasBegunAnew(client: Client, { workflowId, runId }: RunOf): Promise<boolean> {
  const { history } = await ofServer(
    client.workflowService.getWorkflowExecutionHistory({
      namespace: client.options.namespace,
      execution: { workflowId, runId },
      maximumPageSize: 1,
    }),
  );
  const input = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads;
  const [, carried] = await decodeArrayFromPayloads(client.options.loadedDataConverter, input);
  return (carried as Carried | null | undefined)?.isAnew === true;
}
