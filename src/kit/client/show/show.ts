import { setTimeout } from 'node:timers/promises';
import { type Client, isGrpcServiceError, QueryNotRegisteredError, WorkflowNotFoundError } from '@temporalio/client';
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import { ApplicationFailure, type LoadedDataConverter } from '@temporalio/common';
import { TX_SCHEME } from '../../workflow/attributes.js';
import type { Op, Scheme } from '../../workflow/branch.js';
import type { FailureNote, TransactionReport } from '../../workflow/failure.js';
import type { Journal } from '../../workflow/journal.js';
import { deskIdOf } from '../../workflow/state-table/desk.js';
import { TRANSACTION_QUERY, type BranchView, type TransactionView } from '../../workflow/view.js';
import { JournalUnreadable, TransactionNotFound } from '../errors.js';
import { failingTask } from '../failing-task.js';
import { readJournal, type JournalPlace } from '../journal.js';
import { foundState } from '../list.js';
import { isTooEarly } from '../updates.js';
import { ask } from '../server.js';
import { CallLog, type CallRecord } from './calls.js';
import { historyOf, type HistoryEvent } from './history.js';
import { shownJournal } from './journal.js';
import type { ShownBranch, ShownCall, ShownTransaction } from './shown.js';

/** How long a worker may take to answer, in milliseconds. */
const WORKER_ANSWER_MS = 2_000;
/** Before one that came too early is asked again, in milliseconds. */
const AGAIN_MS = 250;

/**
 * Shows one transaction: its branches, and every operation that was asked of them, with attempts, errors and times.
 *
 * It is read from the history, and completed by what a worker says if one answers within 2 s. One that never was a
 * workflow is read by a worker from the participants' databases.
 *
 * @param where where such a worker is; absent: only what the Temporal server has is shown
 * @throws TransactionNotFound, ServerUnavailable; of what the server does not have NoWorker, JournalUnreadable, and as
 * `runJob`
 */
export async function showTransaction(client: Client, gid: string, where?: JournalPlace): Promise<ShownTransaction> {
  const run = await showRun(client, gid);
  const { namespace } = client.options;
  if (where === undefined) {
    if (run === undefined) throw new TransactionNotFound(gid, namespace);
    return run;
  }
  if (run !== undefined && !wasDrivenBefore(run)) return run;
  try {
    const journal = await readJournal(client, where, gid);
    const waiting = await showDesk(client, journal);
    if (waiting !== undefined) return waiting;
    const shown = shownJournal(journal);
    // What was found may not be all: the databases that could not be read may say otherwise.
    const isKnown = journal.fate !== undefined || journal.stateRow !== undefined;
    if (run === undefined && !isKnown && journal.unread.length > 0) {
      throw new JournalUnreadable(gid, journal.unread);
    }
    if (shown !== undefined) return shown;
  } catch (error) {
    if (run === undefined) throw error;
  }
  if (run === undefined) throw new TransactionNotFound(gid, namespace);
  return run;
}

/** A row of a state table that waits for a person: that is another workflow, with another id. */
async function showDesk(client: Client, { gid, home, stateRow }: Journal): Promise<ShownTransaction | undefined> {
  if (home === undefined || stateRow?.state !== 'error') return undefined;
  const run = await showRun(client, deskIdOf(home, gid));
  return run?.endedAt === undefined ? run : undefined;
}

/** Whether a run may have found its transaction at its end: nothing of it was done by this run then. */
function wasDrivenBefore({ endedAt, branches }: ShownTransaction): boolean {
  if (endedAt === undefined) return false;
  return branches.every(({ calls }) => calls.some(({ failure }) => failure?.type === 'Decided'));
}

/** What the server has of a transaction; nothing, if it knows no workflow of it. */
async function showRun(client: Client, gid: string): Promise<ShownTransaction | undefined> {
  const { loadedDataConverter } = client.options;
  const handle = client.workflow.getHandle(gid);
  const known = await ask(client, () => handle.describe()).catch((error: unknown) => {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  });
  const scheme = known?.typedSearchAttributes.get(TX_SCHEME) as Scheme | undefined;
  if (known === undefined || scheme === undefined) return undefined;

  const log = new CallLog(loadedDataConverter);
  let last: HistoryEvent | undefined;
  const readHistory = async () => {
    for await (const event of historyOf(client, gid, known.runId)) {
      await log.add(event);
      last = event;
    }
    await log.addPending(known.raw.pendingActivities ?? []);
  };
  const [view] = await Promise.all([askWorker(client, gid, known.runId), readHistory()]);
  const failing = known.status.name === 'RUNNING' ? await ask(client, () => failingTask(client, known)) : undefined;
  const close = await closing(loadedDataConverter, last);
  return {
    gid,
    scheme,
    state: foundState(known),
    transaction: known.type,
    summary: await known.staticSummary(),
    lane: view?.lane ?? (log.calls.some((call) => call.branch === undefined) ? 'lean' : 'durable'),
    driver: {
      kind: 'workflow',
      runId: known.runId,
      taskQueue: known.taskQueue,
      historyEvents: known.historyLength,
      historyBytes: known.historySize ?? 0,
    },
    startedAt: known.startTime.toISOString(),
    endedAt: known.closeTime?.toISOString(),
    deadlineAt: view?.deadlineAt === undefined ? undefined : new Date(view.deadlineAt).toISOString(),
    branches: branchesOf(log.calls, view?.branches ?? []),
    desk: view?.desk ?? [],
    decisions: view?.decisions ?? [],
    operations: view?.operations ?? [],
    paused: view?.paused,
    report: close.report ?? view?.report,
    ended: close.ended,
    result: close.result,
    ...(failing !== undefined && { failingTask: failing }),
    workerAnswered: view !== undefined,
  };
}

/** The worker's view, or nothing when none answers in time. */
async function askWorker(client: Client, gid: string, runId: string): Promise<TransactionView | undefined> {
  const until = Date.now() + WORKER_ANSWER_MS;
  for (;;) {
    try {
      return await client.withDeadline(until, () =>
        client.workflow.getHandle(gid, runId).query<TransactionView>(TRANSACTION_QUERY),
      );
    } catch (error) {
      if (!isTooEarly(error) || Date.now() + AGAIN_MS >= until) {
        const grpc = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
        if (isGrpcServiceError(grpc) || error instanceof QueryNotRegisteredError) return undefined;
        throw error;
      }
      await setTimeout(AGAIN_MS);
    }
  }
}

/** How the run closed, from its last event. */
async function closing(
  converter: LoadedDataConverter,
  event: HistoryEvent | undefined,
): Promise<{ report?: TransactionReport; ended?: FailureNote; result?: unknown }> {
  const completed = event?.workflowExecutionCompletedEventAttributes;
  if (completed) return { result: (await decodeArrayFromPayloads(converter, completed.result?.payloads))[0] };
  const failed = event?.workflowExecutionFailedEventAttributes;
  if (failed) {
    const error = await decodeOptionalFailureToOptionalError(converter, failed.failure);
    const report = error instanceof ApplicationFailure ? error.details?.[0] : undefined;
    return report
      ? { report: report as TransactionReport }
      : { ended: { type: 'Failed', message: error?.message ?? '' } };
  }
  const terminated = event?.workflowExecutionTerminatedEventAttributes;
  if (terminated) {
    const { reason, identity } = terminated;
    const message = [reason, identity].filter(Boolean).join(', by ');
    return { ended: { type: 'Terminated', message } };
  }
  if (event?.workflowExecutionTimedOutEventAttributes) {
    return { ended: { type: 'TimedOut', message: 'an execution or run timeout was set, and passed' } };
  }
  return {};
}

const secondOps: ReadonlySet<Op> = new Set(['compensation', 'amends', 'confirm', 'cancel', 'commit', 'rollback']);

/** Groups the calls by branch, and adds what only the worker knows: names of local steps, and what is running now. */
function branchesOf(calls: readonly CallRecord[], views: readonly BranchView[]): ShownBranch[] {
  const seqs = new Set([...calls.map((call) => call.seq), ...views.map((view) => view.seq)]);
  return [...seqs]
    .sort((a, b) => a - b)
    .map((seq) => {
      const own = calls.filter((call) => call.seq === seq);
      const view = views.find((branch) => branch.seq === seq);
      // A local activity may have been followed by an ordinary one.
      const first = own.findLast((call) => !secondOps.has(call.op));
      const second = own.find((call) => secondOps.has(call.op));
      const named = (first ?? second)?.function ?? '';
      const operation = view?.operation ?? named.slice(0, named.lastIndexOf('.'));
      const known = first === undefined || first.state === 'waiting' ? 'running' : first.state;
      return {
        branch: view?.branch ?? own.find((call) => call.branch !== undefined)?.branch ?? operation,
        seq,
        operation,
        summary: view?.summary ?? first?.summary ?? operation,
        state: view?.state ?? known,
        // Of a three-phase commit the calls are in the histories of its agents.
        then: second ? { op: second.op, state: view?.second?.state ?? secondState(second.state) } : view?.second,
        calls: own.map(callOf),
      };
    });
}

function secondState(state: ShownCall['state']): 'running' | 'done' | 'failed' {
  if (state === 'succeeded') return 'done';
  return state === 'rejected' || state === 'unknown' ? 'failed' : 'running';
}

function callOf(record: CallRecord): ShownCall {
  const {
    op,
    function: name,
    state,
    attempts,
    startedAt,
    endedAt,
    nextAttemptAt,
    failure,
    lastFailure,
    worker,
  } = record;
  return { op, function: name, state, attempts, startedAt, endedAt, nextAttemptAt, failure, lastFailure, worker };
}
