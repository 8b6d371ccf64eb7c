import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import { CancellationScope, proxyActivities, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { OTHER_STATE, TX_SCHEME, TX_STATE } from '../attributes.js';
import { transactionFailure, type TransactionReport } from '../failure.js';
import {
  ADOPT_ACTIVITY,
  APPLIED_ACTIVITY,
  ANNOUNCE_ACTIVITY,
  CLOSE_ACTIVITY,
  GID_CONFLICT,
  homesOf,
  RESULT_NOT_KEPT,
  type Adopt,
  type Adopted,
  type AdoptOrder,
  type AppliedOrder,
  type AppliedStep,
  type AnnounceOrder,
  type CloseOrder,
  type Fate,
} from '../fate.js';
import { retryProfiles } from '../retry.js';
import type { SagaCall } from './definition.js';

/**
 * A workflow takes over a transaction that was driven outside Temporal, and writes at its end how it ended, where
 * duplicates look for it.
 */

/** How long the end is tried to be written, in milliseconds, while callers wait: what is left to do then a relay does. */
const CLOSE_MS = 10_000;
/** A caller waits, and one statement costs little: the longest wait between attempts, in milliseconds. */
const retry = { ...retryProfiles.forward.retry, maximumInterval: 5_000 };

const adopting = proxyActivities<{ [ADOPT_ACTIVITY](order: AdoptOrder): Promise<Adopted> }>({
  startToCloseTimeout: retryProfiles.forward.startToCloseMs,
  // Until it has the transaction nothing else can be done, nor may be.
  retry,
  summary: 'take the transaction over',
});
const looking = proxyActivities<{ [APPLIED_ACTIVITY](order: AppliedOrder): Promise<AppliedStep[]> }>({
  startToCloseTimeout: retryProfiles.forward.startToCloseMs,
  // It cannot end before that is known.
  retry,
  summary: 'look for steps that were done before',
});
const announcing = proxyActivities<{ [ANNOUNCE_ACTIVITY](order: AnnounceOrder): Promise<void> }>({
  startToCloseTimeout: retryProfiles.forward.startToCloseMs,
  retry,
  summary: 'leave the transaction to a relay',
});
const closing = proxyActivities<{ [CLOSE_ACTIVITY](order: CloseOrder): Promise<void> }>({
  startToCloseTimeout: retryProfiles.forward.startToCloseMs,
  scheduleToCloseTimeout: CLOSE_MS,
  retry,
  summary: 'write how it ended',
});

/** What a workflow goes on with: the end that it found, or its options and when the transaction began. */
export type Taken =
  { readonly fate: Fate; readonly beganAt?: undefined } | { readonly options: SagaCall; readonly beganAt: number };

/** The workflow is none of its gid's: another transaction has it. */
export class OtherTransaction extends Error {
  constructor() {
    super(`${workflowInfo().workflowId} was begun as another transaction, or with another input`);
    this.name = GID_CONFLICT;
  }
}

/**
 * Takes a transaction over: from here on nobody else decides about it. Waits for as long as that takes.
 *
 * @throws {@link OtherTransaction}
 */
export async function takeOver(options: SagaCall, { home }: Adopt): Promise<Taken> {
  const { workflowId: gid, workflowType: transaction } = workflowInfo();
  const found = await CancellationScope.nonCancellable(() =>
    adopting[ADOPT_ACTIVITY]({ gid, home, transaction, inputHash: inputHashOf() }),
  );
  if (found.fate !== undefined) return { fate: found.fate };
  if (found.conflict === true) throw new OtherTransaction();
  const { state, beganAt, cause, promoted = options.adopt?.promoted } = found;
  const before = options.adopt === undefined || options.adopt.home === home ? [] : homesOf(options.adopt);
  const adopt: Adopt = { home, ...(before.length > 0 && { before }), ...(promoted && { promoted }) };
  if (state === 'running') return { options: { ...options, adopt }, beganAt };
  // What its driver had decided stays so: nothing is done any more, and all is looked at.
  const { settle } = options;
  // The window of an undo counts from here: while its home was away, or no worker was there, nothing could be undone.
  const failedAt = settle?.failedAt ?? Date.now();
  const reason = settle?.reason ?? 'the process that drove it had decided to undo it, and did not end that';
  return { options: { ...options, adopt, settle: { ...settle, failedAt, reason, cause, undo: true } }, beganAt };
}

/** What the drivers before have done, and nobody has undone. Waits for as long as that takes. */
export function appliedBefore(adopt: Adopt): Promise<AppliedStep[]> {
  const { workflowId: gid } = workflowInfo();
  return CancellationScope.nonCancellable(() => looking[APPLIED_ACTIVITY]({ gid, homes: homesOf(adopt) }));
}

/** Leaves a transaction that a group has opened to a relay, as its workflow cannot be started now. Waits for as long as that takes. */
export function announce(order: AnnounceOrder): Promise<void> {
  return announcing[ANNOUNCE_ACTIVITY](order);
}

/** How a run ended. */
type Ended =
  | { readonly result: unknown }
  | { readonly report: TransactionReport | undefined; readonly failure: ApplicationFailure | undefined };

/** Writes how the transaction ended. What cannot be written now a relay writes later: the caller need not wait for it. */
export async function tellEnd(adopt: Adopt, ended: Ended): Promise<void> {
  const { workflowType: transaction } = workflowInfo();
  const { promoted } = adopt;
  const from = { transaction, inputHash: inputHashOf() ?? '', lane: 'workflow', ...(promoted && { promoted }) };
  const fate: Fate | undefined =
    'result' in ended
      ? { ...from, state: 'committed', result: ended.result }
      : ended.report && {
          ...from,
          state: ended.report.state === 'compensated' ? 'compensated' : 'failed',
          report: ended.report,
          message: ended.failure?.message ?? '',
        };
  if (fate !== undefined) await close(adopt, fate);
}

/**
 * Ends the workflow as one that is none of its gid's, and has left nothing: not in the databases either where it has taken
 * over what it took for its own.
 */
export async function endAsOther({ message }: OtherTransaction, adopt: Adopt | undefined): Promise<never> {
  if (adopt !== undefined) await close(adopt);
  upsertSearchAttributes([{ key: TX_STATE, value: OTHER_STATE }]);
  throw ApplicationFailure.nonRetryable(`${message}: nothing was done`, GID_CONFLICT);
}

async function close(adopt: Adopt, fate?: Fate): Promise<void> {
  const { workflowId: gid } = workflowInfo();
  try {
    await CancellationScope.nonCancellable(() =>
      Promise.all(homesOf(adopt).map((home) => closing[CLOSE_ACTIVITY]({ gid, home, fate }))),
    );
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
  }
}

/** Of the workflow's input, as its starter has written it. */
function inputHashOf(): string | undefined {
  const { memo } = workflowInfo();
  return typeof memo?.inputHash === 'string' ? memo.inputHash : undefined;
}

/** @throws {@link OtherTransaction} if it was another one that has ended so */
export function refuseOther(fate: Fate): void {
  const inputHash = inputHashOf();
  const isOther = inputHash !== undefined && fate.inputHash !== '' && fate.inputHash !== inputHash;
  if (isOther || fate.transaction !== workflowInfo().workflowType) throw new OtherTransaction();
}

/**
 * Ends the workflow as the transaction has ended before.
 *
 * @throws {@link OtherTransaction} if it was another one that has ended
 */
export function endBy<Result>(fate: Fate): Result {
  refuseOther(fate);
  upsertSearchAttributes([
    { key: TX_SCHEME, value: 'saga' },
    { key: TX_STATE, value: fate.state },
  ]);
  if (fate.state === 'committed') {
    if (fate.unstored === undefined) return fate.result as Result;
    throw ApplicationFailure.nonRetryable(fate.unstored, RESULT_NOT_KEPT);
  }
  const { state, message, report } = fate;
  throw ApplicationFailure.create({
    type: state === 'compensated' ? transactionFailure.compensated : transactionFailure.failed,
    message,
    nonRetryable: true,
    details: [report],
  });
}
