import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import type { FailureNote, TransactionReport } from '../failure.js';

/** How a saga ends that belongs to a machine: what its workflow, and the activity that waits for it, say of that. Pure. */

/** How a saga ended. */
export type SagaEnd =
  | { readonly how: 'committed'; readonly result: unknown; /** It was started before. */ readonly joined?: true }
  /** It was undone, or it failed: its report says what is left. */
  | { readonly how: 'ended'; readonly failure: FailureNote; readonly report?: TransactionReport };

/**
 * The failure of a saga whose runs the server has no more, as they have ended for longer than it keeps them: how it ended nobody can tell. The
 * row tells whether it has moved it.
 */
export const SAGA_GONE = 'SagaGone';

/** The failure of a saga that was not begun: another workflow has its id. */
export const OTHER_WORKFLOW = 'OtherWorkflow';

/** The activity that waits for a saga which another run has started. */
export const AWAIT_SAGA = 'backstitch.awaitSaga';

/** It heartbeats while it waits, and is asked again after this time, in milliseconds. */
export const WATCH_MS = 60 * 60_000;

/**
 * What {@link AWAIT_SAGA} takes and answers; `null`: it has not ended within its time. With the name of a workflow: what has the id has to
 * be a run of that one.
 */
export type AwaitSaga = Record<typeof AWAIT_SAGA, (gid: string, workflow?: string) => Promise<SagaEnd | null>>;

/** What a saga's failure says: its first error, and its report. */
export function endOf(cause: Error): { failure: FailureNote; report?: TransactionReport } {
  if (!(cause instanceof ApplicationFailure)) {
    if (!(cause instanceof TemporalFailure)) throw cause;
    return { failure: { type: cause.name, message: cause.message } };
  }
  const report = cause.details?.[0] as TransactionReport | undefined;
  if (report?.cause === undefined) return { failure: { type: cause.type ?? 'Error', message: cause.message } };
  const { type, message } = report.cause;
  return { failure: { type, message }, report };
}
