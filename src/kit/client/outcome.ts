import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowFailedError, WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure } from '@temporalio/common';
import type { TransactionState } from '../workflow/branch.js';
import { transactionFailure, type TransactionReport } from '../workflow/failure.js';
import { GID_CONFLICT, RESULT_NOT_KEPT } from '../workflow/fate.js';
import { DECISION_UPDATE, type Decision } from '../workflow/view.js';
import {
  GidConflict,
  ResultNotKept,
  TransactionCompensated,
  TransactionFailed,
  TransactionPending,
  TransactionTerminated,
} from './errors.js';
import { stateOf } from './list.js';
import { ask, explained, hasWorker, longCall } from './server.js';
import { TimeIsOver } from './race.js';
import { untilTaken } from './updates.js';

/** One transaction that was started, and where. */
export interface StartedRun {
  readonly gid: string;
  /** Absent: the only run there is. */
  readonly runId?: string;
  readonly taskQueue: string;
  /** Whether it was started before: it may wait for a person already. */
  readonly duplicate?: boolean;
}

/** When that is looked for in a run that was started before, in milliseconds. */
const FIRST_LOOK_MS = 500;

/** How often it is looked whether a transaction waits for a person, while its end is waited for. */
const LOOK_MS = 15_000;

/**
 * Waits until the transaction has ended.
 *
 * @param until milliseconds since 1970
 * @param lookMs how often it is looked whether it waits for a person, in milliseconds
 * @throws {@link TransactionCompensated}, {@link TransactionFailed}, {@link TransactionTerminated};
 * {@link TransactionPending} when it has not ended by then, or waits for a person
 */
export async function awaitOutcome<Result>(
  client: Client,
  run: StartedRun,
  until: number,
  lookMs = LOOK_MS,
): Promise<Result> {
  const handle = client.workflow.getHandle(run.gid, run.runId);
  const ended = longCall(client, () => handle.result());
  try {
    for (let nextMs = run.duplicate === true ? FIRST_LOOK_MS : lookMs; ; nextMs = lookMs) {
      try {
        return (await ended.until(Math.min(until, Date.now() + nextMs))) as Result;
      } catch (error) {
        if (error instanceof WorkflowFailedError) throw outcomeOf(run.gid, error);
        if (!(error instanceof TimeIsOver)) throw explained(client, error);
        const waiting = await pending(client, run);
        // A person may take hours: whoever waits is told at once.
        if (Date.now() >= until || waiting.state === 'stuck') throw waiting;
      }
    }
  } finally {
    ended.giveUp();
  }
}

/** Waits until `decide` answers, which makes one update each time; the same limits and the same errors as {@link awaitOutcome}. */
export async function awaitDecision<T>(
  client: Client,
  run: StartedRun,
  until: number,
  decide: () => Promise<T>,
): Promise<T> {
  try {
    return await untilTaken(client, until, decide);
  } catch (error) {
    if (error instanceof TimeIsOver) throw await pending(client, run);
    throw explained(client, error);
  }
}

/** What it is decided to become of a transaction whose workflow was started before. */
export async function awaitDecisionOf(client: Client, run: StartedRun, until: number): Promise<Decision> {
  const handle = client.workflow.getHandle(run.gid, run.runId);
  for (;;) {
    try {
      return await awaitDecision(client, run, until, () => handle.executeUpdate<Decision, []>(DECISION_UPDATE));
    } catch (error) {
      // A run that has closed answers no updates: its outcome says all.
      if (error instanceof WorkflowNotFoundError) return { state: 'committed' };
      if (!takesOver(error)) throw error;
      if (Date.now() + TAKING_OVER_MS > until) throw await pending(client, run);
      await sleep(TAKING_OVER_MS);
    }
  }
}

/** Between two questions to a run that still takes its transaction over, in milliseconds. */
const TAKING_OVER_MS = 100;

/** Whether a run answers nothing yet, as it does not know yet whether the transaction has ended. The SDK has no type for it. */
function takesOver(error: unknown): boolean {
  const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
  return cause?.message.startsWith('No registered handler') === true;
}

/** Waits as {@link awaitOutcome} does, unless it will be undone. @throws {@link TransactionPending} as soon as that is decided */
export async function awaitUndoOrOutcome<Result>(client: Client, run: StartedRun, until: number): Promise<Result> {
  return outcomeAfter(client, run, until, await awaitDecisionOf(client, run, until));
}

/** The outcome of a transaction of which this was decided. @throws {@link TransactionPending} if it is undone */
export function outcomeAfter<Result>(
  client: Client,
  run: StartedRun,
  until: number,
  { state, report }: Decision,
): Promise<Result> {
  const { gid, taskQueue } = run;
  if (state === 'compensating' || state === 'stuck') throw new TransactionPending({ gid, state, taskQueue, report });
  return awaitOutcome<Result>(client, run, until);
}

async function pending(client: Client, { gid, runId, taskQueue }: StartedRun): Promise<TransactionPending> {
  const [description, served] = await Promise.all([
    ask(client, () => client.workflow.getHandle(gid, runId).describe()),
    hasWorker(client, taskQueue),
  ]);
  const state = stateOf(description) as TransactionState;
  return new TransactionPending({ gid, state, taskQueue, noWorker: !served });
}

/** The failure that a run closed with, as one of this package's errors; any other is returned as it is. */
export function outcomeOf(gid: string, error: WorkflowFailedError): Error {
  const { cause } = error;
  if (cause instanceof ApplicationFailure) {
    if (cause.type === GID_CONFLICT) return new GidConflict(gid, 'with other content');
    if (cause.type === RESULT_NOT_KEPT) return new ResultNotKept(gid, cause.message);
    const report = cause.details?.[0] as TransactionReport | undefined;
    if (cause.type === transactionFailure.compensated && report) {
      return new TransactionCompensated(cause.message, report, cause.cause);
    }
    if (cause.type === transactionFailure.failed && report) {
      return new TransactionFailed(cause.message, report, cause.cause);
    }
  }
  if (cause instanceof TerminatedFailure) return new TransactionTerminated(gid, 'terminated', cause.message);
  if (cause instanceof TimeoutFailure) return new TransactionTerminated(gid, 'timed-out', cause.message);
  if (cause instanceof CancelledFailure) return new TransactionTerminated(gid, 'cancelled', cause.message);
  return error;
}
