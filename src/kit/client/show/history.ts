import type { Client } from '@temporalio/client';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import { ask } from '../server.js';

/** One event of a run's history, as the server sends it. */
export type HistoryEvent = NonNullable<History['events']>[number];

/** The events of a run's history, a page at a time. */
export async function* historyOf(client: Client, gid: string, runId: string): AsyncGenerator<HistoryEvent> {
  let nextPageToken: Uint8Array = new Uint8Array();
  do {
    const page = await ask(client, () =>
      client.workflowService.getWorkflowExecutionHistory({
        namespace: client.options.namespace,
        execution: { workflowId: gid, runId },
        nextPageToken,
        maximumPageSize: 500,
      }),
    );
    yield* page.history?.events ?? [];
    nextPageToken = page.nextPageToken;
  } while (nextPageToken.length > 0);
}
