import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { RELAY_WORKFLOW, relayId, type RelayOrder } from '../workflow/outbox.js';
import { ask } from './server.js';

/** An outbox's name and what is to be delivered of it. */
export interface StartedOutbox {
  readonly name: string;
  readonly streams: readonly { readonly name: string }[];
}

/**
 * Starts the workflows that deliver the messages of outboxes, one a stream, on the task queue of the workers that were given them;
 * those that run go on. Whoever has an outbox does this each time it starts.
 *
 * @throws ServerUnavailable, ServerNotPrepared
 */
export async function startRelays(
  client: Client,
  { taskQueue, outboxes }: { readonly taskQueue: string; readonly outboxes: readonly StartedOutbox[] },
): Promise<void> {
  for (const { name: outbox, streams } of outboxes) {
    for (const { name: stream } of streams) {
      const order: RelayOrder = { outbox, stream };
      await ask(client, () =>
        client.workflow.start(RELAY_WORKFLOW, {
          workflowId: relayId(taskQueue, order),
          taskQueue,
          args: [order],
          workflowIdConflictPolicy: 'USE_EXISTING',
          staticSummary: `delivers the messages of ${stream.replace(/\/0$/, '').replace('/', ' to ')}`,
        }),
      );
    }
  }
}

/** Whether the workflow that delivers a stream runs. @throws ServerUnavailable, ServerNotPrepared */
export async function isRelayRunning(client: Client, taskQueue: string, order: RelayOrder): Promise<boolean> {
  try {
    const handle = client.workflow.getHandle(relayId(taskQueue, order));
    return (await ask(client, () => handle.describe())).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
