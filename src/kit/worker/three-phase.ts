import { ApplicationFailure, Context, type Info } from '@temporalio/activity';
import {
  type Client,
  WorkflowFailedError,
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { TimeIsOver } from '../client/race.js';
import { waitUntil } from '../client/server.js';
import type { Settle } from '../workflow/saga/definition.js';
import type { TransactionReport } from '../workflow/failure.js';
import {
  agentId,
  AT_ANOTHER_DESK,
  comparisonId,
  FIND_COMPARISON,
  TELL_AGENT,
  THREE_PHASE_AGENT,
  type AgentMemo,
  type AgentOrder,
  type AgentStatus,
  type ComparisonOf,
  type Telling,
} from '../workflow/three-phase/protocol.js';

/** Where the agents of a participant are. */
export interface AgentAddress {
  /** Of the participant's Temporal server and namespace, which may be its own. */
  readonly client: Client;
  /** The task queue of the worker that has the participant and the workflow `threePhaseAgent`. */
  readonly taskQueue: string;
}

/** Options of {@link threePhaseActivities}. */
export interface ThreePhaseActivitiesOptions {
  /**
   * By a participant's name. It throws for one that it does not know: an agent that is looked for at a wrong place would count as one
   * that never was. Default: where the coordinator is.
   */
  readonly addressOf?: (participant: string) => AgentAddress;
}

/** The part of an attempt's time in which it is over by itself. */
const WITHIN = 0.9;

/** When an attempt is given up, in milliseconds since 1970: nothing is sent when the coordinator does not wait any more. */
function giveUpAt({ startToCloseTimeoutMs, scheduledTimestampMs, scheduleToCloseTimeoutMs }: Info): number {
  return Math.min(Date.now() + startToCloseTimeoutMs * WITHIN, scheduledTimestampMs + scheduleToCloseTimeoutMs);
}

/** The activities by which the coordinator of a three-phase commit talks to the participants' agents; for its worker. */
export function threePhaseActivities({ addressOf }: ThreePhaseActivitiesOptions = {}) {
  const addressIn = ({ client, info }: Context, participant: string): AgentAddress =>
    addressOf?.(participant) ?? { client, taskQueue: info.taskQueue };
  return {
    [TELL_AGENT]: async (telling: Telling): Promise<AgentStatus> => {
      const context = Context.current();
      try {
        return await tell(addressIn(context, telling.participant), telling, giveUpAt(context.info));
      } catch (error) {
        // The SDK's own says no more than its name; a person may have to read this.
        if (!(error instanceof TimeIsOver) && !(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) throw error;
        const message = `${agentId(telling.gid, telling.branch)} gave no answer in time`;
        throw ApplicationFailure.create({ type: 'Timeout', message, cause: error });
      }
    },
    [FIND_COMPARISON]: async ({ gid, participants }: ComparisonOf): Promise<TransactionReport | undefined> => {
      const context = Context.current();
      // A scan starts it where it has found an agent: in the namespace of any of them.
      const found = participants.map((participant) =>
        comparison(addressIn(context, participant).client, gid, giveUpAt(context.info)),
      );
      return firstOf(await Promise.allSettled(found));
    },
  };
}

/** What was found at any address. @throws what kept one from being looked at; rather that one runs still */
function firstOf(found: PromiseSettledResult<TransactionReport | undefined>[]): TransactionReport | undefined {
  for (const each of found) if (each.status === 'fulfilled' && each.value !== undefined) return each.value;
  const errors = found.flatMap((each): unknown[] => (each.status === 'rejected' ? [each.reason] : []));
  if (errors.length === 0) return undefined;
  throw errors.find((error) => error instanceof ApplicationFailure && error.type === AT_ANOTHER_DESK) ?? errors[0];
}

/** How the comparison of a transaction's agents ended in a namespace. @throws while it runs still, or cannot be looked for */
async function comparison(client: Client, gid: string, until: number): Promise<TransactionReport | undefined> {
  const workflowId = comparisonId(gid);
  const handle = client.workflow.getHandle(workflowId);
  let isThere = false;
  try {
    // Who waits for a result cannot tell a workflow that runs from a server that cannot be reached.
    await client.withDeadline(until, () => handle.describe());
    isThere = true;
    await waitUntil(client, until, () => handle.result());
    return undefined;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    const cause = error instanceof WorkflowFailedError ? error.cause : undefined;
    const [report] = (cause instanceof ApplicationFailure ? cause.details : undefined) ?? [];
    if (report !== undefined) return report as TransactionReport;
    // A run that was ended from outside is settled, and then goes on.
    if (!isThere || (cause === undefined && !(error instanceof TimeIsOver))) throw error;
    throw ApplicationFailure.create({ type: AT_ANOTHER_DESK, message: `${workflowId} has not ended` });
  }
}

/**
 * Says it once, or waits for the outcome. Said again it is the same update, by its id, and hears the same answer.
 *
 * @param until milliseconds since 1970
 */
async function tell(address: AgentAddress, telling: Telling, until: number): Promise<AgentStatus> {
  const { client } = address;
  if (telling.message !== 'outcome') {
    try {
      // A deadline, and not only an end of waiting: the client's own retries would send later what was given up.
      return await client.withDeadline(until, () => say(address, telling));
    } catch (error) {
      const isGone = error instanceof WorkflowNotFoundError || error instanceof WorkflowExecutionAlreadyStartedError;
      if (!isGone) throw error;
    }
  }
  const ended = await outcome(client, agentId(telling.gid, telling.branch), until);
  if (ended.by !== 'nobody' || telling.message !== 'outcome' || telling.order === undefined) return ended;
  await startSettling(address, telling.order);
  return outcome(client, agentId(telling.gid, telling.branch), until);
}

/** Starts an agent that nobody knows as the next run of one that was ended: the participant's guard tells what it did. */
async function startSettling({ client, taskQueue }: AgentAddress, order: AgentOrder): Promise<void> {
  const { gid, branch, summary } = order;
  const settle: Settle = { failedAt: Date.now(), reason: 'its server did not know it' };
  try {
    await client.workflow.start(THREE_PHASE_AGENT, {
      workflowId: agentId(gid, branch),
      taskQueue,
      args: [order, { settle }],
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      memo: memoOf(order),
      staticSummary: `${branch} of ${gid}: ${summary}`,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

function say({ client, taskQueue }: AgentAddress, { message, gid, branch, order }: Telling): Promise<AgentStatus> {
  const workflowId = agentId(gid, branch);
  if (message !== 'canCommit' || order === undefined) {
    return client.workflow.getHandle(workflowId).executeUpdate<AgentStatus, []>(message, { updateId: message });
  }
  const startWorkflowOperation = new WithStartWorkflowOperation(THREE_PHASE_AGENT, {
    workflowId,
    taskQueue,
    args: [order],
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    memo: memoOf(order),
    staticSummary: `${branch} of ${gid}: ${order.summary}`,
  });
  return client.workflow.executeUpdateWithStart<() => Promise<unknown>, AgentStatus, []>(message, {
    updateId: message,
    startWorkflowOperation,
  });
}

/** How an agent has ended that hears nothing any more. @throws WorkflowFailedError if its run was ended from outside */
async function outcome(client: Client, workflowId: string, until: number): Promise<AgentStatus> {
  try {
    return await waitUntil(client, until, () => client.workflow.getHandle(workflowId).result() as Promise<AgentStatus>);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { state: 'aborted', by: 'nobody' };
    throw error;
  }
}

function memoOf({ gid, of }: AgentOrder): Record<string, unknown> {
  return { gid, of } satisfies AgentMemo;
}
