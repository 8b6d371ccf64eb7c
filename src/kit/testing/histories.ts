import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { MatrixCase } from './cases.js';

/** Writes the history of each run of a transaction, for `Worker.runReplayHistories`. */
export async function recordHistories(
  client: Client,
  gid: string,
  { name }: MatrixCase,
  folder: string,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const runs: { runId: string; startTime: Date }[] = [];
  const query = `WorkflowId = '${gid.replaceAll("'", "''")}'`;
  for await (const { runId, startTime } of client.workflow.list({ query })) runs.push({ runId, startTime });
  runs.sort((a, b) => a.startTime.getTime() - b.startTime.getTime());
  for (const [run, { runId }] of runs.entries()) {
    const history = await client.workflow.getHandle(gid, runId).fetchHistory();
    const file = `${name.replaceAll(/[^\w-]+/g, '-')}${run === 0 ? '' : `-${run + 1}`}.json`;
    writeFileSync(join(folder, file), `${JSON.stringify(JSON.parse(historyToJSON(history)))}\n`);
  }
}
