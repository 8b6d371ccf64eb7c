import type { Client } from '@temporalio/client';
import { foundState } from '../../client/list.js';
import { listedSide, type AnySide } from '../../database/reconcile/buckets.js';
import type { RunsOf } from '../../database/reconcile/pair.js';
import { eachInTime, ofServer } from '../limited.js';

/** Temporal's executions as a side: what the server lists is behind what it knows by a second or so, so it is only ever a first look. */

const PAGE = 1_000;
/** What the server is about to forget may be gone when its other side is read. */
const MARGIN_MS = 3_600_000;

/** The newest runs that have ended since, as rows. */
export function executionsSide(client: Client, { executions }: RunsOf): AnySide {
  const { workflows, state, rowOf } = executions;
  const types = workflows.map((name) => `'${name.replaceAll("'", "''")}'`).join(', ');
  return listedSide(async function* (since) {
    const query = `WorkflowType IN (${types}) AND CloseTime >= '${new Date(since).toISOString()}'`;
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
