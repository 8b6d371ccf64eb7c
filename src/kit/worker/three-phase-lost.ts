import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import { ENDED } from '../client/adopt.js';
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
  /** Told when an agent has ended whose coordinator may still be lost before it has compared, in milliseconds since 1970. */
  readonly onOpen: (closedAt: number) => void;
  /** Called for each transaction that is looked at, lost or not. */
  readonly beat: () => void;
}

/**
 * Finds three-phase commits whose coordinator is gone for good, from their agents alone: those that have decided by themselves since
 * a time. It has them compared, each once. A coordinator that lives, or that was ended from outside and is settled, compares them
 * itself; until it has, the next scan looks again.
 *
 * @returns the transactions that are compared now
 */
export async function* compareLost(
  client: Client,
  { since, taskQueue, onFailure, onOpen, beat }: Lost,
): AsyncGenerator<string> {
  const seen = new Map<string, Standing>();
  for await (const { memo, closeTime } of eachInTime(client.workflow.list({ query: decidedAlone(since) }))) {
    const { gid, of } = memo as unknown as AgentMemo;
    const before = seen.get(gid);
    if (before === 'open') onOpen(closeTime?.getTime() ?? since);
    if (before !== undefined) continue;
    seen.set(gid, 'compared');
    beat();
    try {
      const standing = await ofServer(standingOf(client, gid));
      seen.set(gid, standing);
      if (standing === 'open') onOpen(closeTime?.getTime() ?? since);
      if (typeof standing === 'string') continue;
      const { reason } = standing;
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

/** It compares, or has; it has still to, and may be lost before; or how it is known that it is gone. */
type Standing = 'compared' | 'open' | { readonly reason: string };

/** How a coordinator stands to its agents. */
async function standingOf(client: Client, gid: string): Promise<Standing> {
  try {
    const { status, taskQueue, typedSearchAttributes } = await client.workflow.getHandle(gid).describe();
    if (ENDED.includes(status.name)) return 'compared';
    if (status.name !== 'RUNNING') return 'open';
    // A split at its own desk is one case, and a person knows of it. What else waits there says nothing of a split.
    if (typedSearchAttributes.get(TX_STATE) === 'stuck' && (await hasCompared(client, gid))) return 'compared';
    if (await hasWorker(client, taskQueue, READ_MS)) return 'open';
    return { reason: `no worker serves its coordinator's task queue '${taskQueue}'` };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { reason: 'the server does not know its coordinator' };
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
