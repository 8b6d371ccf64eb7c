import type { Client } from '@temporalio/client';
import { foundState } from '../../client/list.js';
import { quoted } from '../../client/server.js';
import { listedSide, type AnySide } from '../../database/reconcile/buckets.js';
import type { RunsOf } from '../../database/reconcile/pair.js';
import { eachInTime, ofServer } from '../limited.js';

/**
 * Temporal's executions as a side: what the server lists is behind what it knows by a second or so, so it is only ever a first look. A
 * namespace may have several shops: those of other task queues are not listed, and an order that one of them has placed in this shop's
 * database is found by its id when it is looked at again.
 */

/** Where executions are listed. */
export interface ListedAt {
  readonly client: Client;
  readonly taskQueue: string;
}

const PAGE = 1_000;
/** What the server is about to forget may be gone when its other side is read. */
const MARGIN_MS = 3_600_000;

/** The newest runs that have ended since, as rows. */
export function executionsSide({ client, taskQueue }: ListedAt, { executions }: RunsOf): AnySide {
  const { workflows, state, rowOf } = executions;
  const types = workflows.map(quoted).join(', ');
  return listedSide(async function* (since) {
    const query = `WorkflowType IN (${types}) AND TaskQueue = ${quoted(taskQueue)} AND CloseTime >= '${new Date(since).toISOString()}'`;
    for await (const info of eachInTime(client.workflow.list({ query, pageSize: PAGE }))) {
      if (foundState(info) !== state) continue;
      const row = rowOf(info.workflowId);
      if (row !== undefined) yield row;
    }
  });
}

/** Since when the server has all that has ended, in milliseconds since 1970. */
export async function keptSince(client: Client): Promise<number> {
  const { namespace } = client.options;
  const { config } = await ofServer(client.workflowService.describeNamespace({ namespace }));
  const seconds = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0);
  return seconds === 0 ? 0 : Date.now() - seconds * 1_000 + MARGIN_MS;
}
