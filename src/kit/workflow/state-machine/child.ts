import {
  CancelledFailure,
  ChildWorkflowFailure,
  TerminatedFailure,
  TimeoutFailure,
  WorkflowExecutionAlreadyStartedError,
} from '@temporalio/common';
import {
  ActivityCancellationType,
  CancellationScope,
  ParentClosePolicy,
  proxyActivities,
  startChild,
} from '@temporalio/workflow';
import { initialAttributes } from '../attributes.js';
import { AWAIT_SAGA, endOf, WATCH_MS, type AwaitSaga, type SagaEnd } from './saga-end.js';

/**
 * A saga that belongs to a machine, as a child workflow under an id of its own. It outlives the machine's run: whether that continues as
 * new, is terminated or ends, the saga goes on, and whoever asks for it again (the same id) waits for that one.
 */

const { [AWAIT_SAGA]: watch } = proxyActivities<AwaitSaga>({
  startToCloseTimeout: WATCH_MS + 60_000,
  heartbeatTimeout: '30 seconds',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '1 second', maximumInterval: '30 seconds' },
});

/** Runs a saga, or waits for the one that has its id. It never rejects for what the saga did. */
export async function runSaga(workflow: string, gid: string, input: unknown, summary: string): Promise<SagaEnd> {
  try {
    const child = await CancellationScope.nonCancellable(() =>
      startChild(workflow, {
        workflowId: gid,
        args: [input],
        parentClosePolicy: ParentClosePolicy.ABANDON,
        // What has ended under this id has ended with what is asked: it is this one.
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        typedSearchAttributes: initialAttributes('saga'),
        staticSummary: summary,
      }),
    );
    return { how: 'committed', result: (await child.result()) as unknown };
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return awaitSaga(gid, workflow);
    if (!(error instanceof ChildWorkflowFailure)) throw error;
    const { cause } = error;
    // Its run was ended from outside: the scan starts it again under its id.
    if (isFromOutside(cause)) return awaitSaga(gid);
    return { how: 'ended', ...endOf(cause ?? error) };
  }
}

/** Waits for a saga that was started before. @param workflow its name, where it is known: another one that has its id is none */
export async function awaitSaga(gid: string, workflow?: string): Promise<SagaEnd> {
  for (;;) {
    const end = await (workflow === undefined ? watch(gid) : watch(gid, workflow));
    if (end !== null) return end.how === 'committed' ? { ...end, joined: true } : end;
  }
}

function isFromOutside(cause: Error | undefined): boolean {
  return cause instanceof TerminatedFailure || cause instanceof TimeoutFailure || cause instanceof CancelledFailure;
}
