import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowExecutionDescription,
} from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { initialAttributes } from '../workflow/attributes.js';
import {
  DEADLINE_UPDATE,
  EVENT_SIGNAL,
  type DeadlineNote,
  type EffectOrder,
} from '../workflow/state-machine/protocol.js';
import type { Carried, Resumed } from '../workflow/state-machine/carried.js';

/**
 * Starts a state machine's workflow again whose newest run was ended from outside. Where its object is, the row tells, and its moves what
 * happened; the history of the ended run tells what neither knows: sagas that it had begun, messages that had come, deadlines that were moved.
 *
 * @returns whether it was started; not, if another run was faster
 * @throws what keeps it from being started: nothing has changed then
 */
export async function settleMachine(client: Client, ended: WorkflowExecutionDescription): Promise<boolean> {
  const { workflowId, type, taskQueue, memo } = ended;
  const [start, carried] = await readEnded(client, ended);
  try {
    await client.workflow.start(type, {
      ...{ workflowId, taskQueue, memo, args: [start, carried] },
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      staticSummary: await ended.staticSummary(),
      staticDetails: await ended.staticDetails(),
      typedSearchAttributes: initialAttributes('machine'),
    });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}

async function readEnded(
  client: Client,
  { workflowId, runId }: Pick<WorkflowExecutionDescription, 'workflowId' | 'runId'>,
): Promise<[unknown, Carried]> {
  const decode = (payloads: Parameters<typeof decodeArrayFromPayloads>[1]) =>
    decodeArrayFromPayloads(client.options.loadedDataConverter, payloads);
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  let args: unknown[] | undefined;
  const effects: EffectOrder[] = [];
  const messages: unknown[] = [];
  const moved: DeadlineNote[] = [];
  const moves = new Set<string>();
  for (const event of events ?? []) {
    const started = event.workflowExecutionStartedEventAttributes;
    if (started != null) args = await decode(started.input?.payloads);
    const child = event.startChildWorkflowExecutionInitiatedEventAttributes;
    if (child?.input?.payloads != null) {
      const [order] = (await decode(child.input.payloads)) as [Partial<EffectOrder> | undefined];
      // What deadlines and entered states begin has no move, and is begun anew: under its id it is the same.
      if (order?.move !== undefined) effects.push(order as EffectOrder);
    }
    const signal = event.workflowExecutionSignaledEventAttributes;
    if (signal?.signalName === EVENT_SIGNAL) messages.push((await decode(signal.input?.payloads))[0]);
    const request = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest;
    if (request?.input?.name === DEADLINE_UPDATE) moves.add(request.meta?.updateId ?? '');
    const done = event.workflowExecutionUpdateCompletedEventAttributes;
    if (moves.has(done?.meta?.updateId ?? '') && done?.outcome?.success != null) {
      const [note] = (await decode(done.outcome.success.payloads)) as [DeadlineNote];
      moved.push(note);
    }
  }
  if (args === undefined) throw new Error(`the history of run ${runId} of ${workflowId} is gone: it cannot be settled`);
  const [start, given] = args as [unknown, Carried | null | undefined];
  const before = given?.resumed;
  // A run that had taken over from one that was ended, and was ended itself: what that one knew it may not have seen to.
  const resumed: Resumed = {
    effects: [...(before?.effects ?? []), ...effects],
    messages: [...(before?.messages ?? []), ...messages],
    moved: [...(before?.moved ?? []), ...moved],
  };
  return [start ?? undefined, { runs: given?.runs ?? 0, jobs: given?.jobs ?? [], ...given, resumed }];
}
