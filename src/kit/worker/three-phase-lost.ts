import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import { hasWorker } from '../client/server.js';
import { TX_STATE } from '../workflow/attributes.js';
import {
  COMPARE_AGENTS,
  comparisonId,
  FIND_COMPARISON,
  THREE_PHASE_AGENT,
  type AgentMemo,
  type CompareOrder,
} from '../workflow/three-phase/protocol.js';
import { eachInTime, ofServer, READ_MS } from './limited.js';

/** What {@link compareLost} needs. */
interface Lost {
  /** Milliseconds since 1970. */
  readonly since: number;
  /** Where the comparison runs: its worker has to know the participants' addresses. */
  readonly taskQueue: string;
  readonly onFailure: (gid: string, error: unknown) => void;
  /** Called for each transaction that is looked at, lost or not. */
  readonly beat: () => void;
}

/**
 * Finds three-phase commits whose coordinator is gone for good, from their agents alone: those that have decided by themselves since
 * a time. It has them compared, each once. A coordinator that lives, or that was ended from outside and is settled, compares them
 * itself.
 *
 * @returns the transactions that are compared now
 */
export async function* compareLost(
  client: Client,
  { since, taskQueue, onFailure, beat }: Lost,
): AsyncGenerator<string> {
  const seen = new Set<string>();
  for await (const { memo } of eachInTime(client.workflow.list({ query: decidedAlone(since) }))) {
    const { gid, of } = memo as unknown as AgentMemo;
    if (seen.has(gid)) continue;
    seen.add(gid);
    beat();
    try {
      const reason = await ofServer(whyLost(client, gid));
      if (reason === undefined) continue;
      const order: CompareOrder = { gid, of, reason };
      const start = client.workflow.start(COMPARE_AGENTS, {
        workflowId: comparisonId(gid),
        taskQueue,
        args: [order],
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        staticSummary: `${gid}: ${reason}`,
      });
      await ofServer(start);
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) onFailure(gid, error);
      continue;
    }
    yield gid;
  }
}

/** Agents are listed as transactions once they have decided by themselves. */
function decidedAlone(since: number): string {
  const when = new Date(since).toISOString();
  return `WorkflowType = '${THREE_PHASE_AGENT}' AND ${TX_STATE.name} IS NOT NULL AND ExecutionStatus = 'Completed' AND CloseTime >= '${when}'`;
}

/** How it is known that a coordinator is gone; `undefined` if it is not. */
async function whyLost(client: Client, gid: string): Promise<string | undefined> {
  try {
    const { status, taskQueue, typedSearchAttributes } = await client.workflow.getHandle(gid).describe();
    if (status.name !== 'RUNNING' || (await hasWorker(client, taskQueue, READ_MS))) return undefined;
    // A split at its own desk is one case, and a person knows of it. What else waits there says nothing of a split.
    if (typedSearchAttributes.get(TX_STATE) === 'stuck' && (await hasCompared(client, gid))) return undefined;
    return `no worker serves its coordinator's task queue '${taskQueue}'`;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'the server does not know its coordinator';
    throw error;
  }
}

/** Whether a coordinator knows that its agents are split, by its history, as nobody answers for it: then it looks for who else does. */
export async function hasCompared(client: Client, gid: string): Promise<boolean> {
  const { events } = await client.workflow.getHandle(gid).fetchHistory();
  return (events ?? []).some(
    ({ activityTaskScheduledEventAttributes: asked }) => asked?.activityType?.name === FIND_COMPARISON,
  );
}
