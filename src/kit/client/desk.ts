import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { TX_BRANCH, TX_SCHEME, TX_STATE, TX_STUCK_SINCE } from '../workflow/attributes.js';
import type { Scheme } from '../workflow/branch.js';
import { InvalidInput } from './input.js';
import { ask, misunderstood } from './server.js';

/** A transaction that waits for a person. */
export interface StuckTransaction {
  readonly gid: string;
  readonly runId: string;
  readonly scheme: Scheme;
  /** The name of the transaction, such as `placeOrder`. */
  readonly transaction: string;
  /** The branches that wait. */
  readonly branches: readonly string[];
  /** Since when, as ISO 8601. */
  readonly since: string;
}

/** Which of them. */
export interface DeskFilter {
  /** Only those with this branch waiting. */
  readonly branch?: string;
  /** Only those that have waited since this time or longer. */
  readonly before?: Date;
  /** A list filter of Temporal's, such as `WorkflowType = 'placeOrder'`. */
  readonly where?: string;
}

const PAGE = 500;

/**
 * Lists what waits at the desk, a page at a time. What happened in the last second or so may be missing.
 *
 * @throws InvalidInput for a filter that the server does not understand; ServerUnavailable
 */
export async function* listDesk(client: Client, filter: DeskFilter = {}): AsyncGenerator<StuckTransaction> {
  const found = client.workflow.list({ query: queryOf(filter), pageSize: PAGE });
  const iterator = found[Symbol.asyncIterator]();
  for (;;) {
    const next = await understood(
      filter,
      ask(client, () => iterator.next()),
    );
    if (next.done === true) return;
    yield stuckOf(next.value);
  }
}

/** How many wait. The same errors as {@link listDesk}. */
export async function countDesk(client: Client, filter: DeskFilter = {}): Promise<number> {
  const counted = ask(client, () => client.workflow.count(queryOf(filter)));
  return (await understood(filter, counted)).count;
}

async function understood<T>({ where }: DeskFilter, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    const what = misunderstood(error instanceof Error && error.name === 'ServerNotPrepared' ? error.cause : error);
    if (where === undefined || what === undefined) throw error;
    const rule = `the server does not understand it (${what}): give a list filter of Temporal's, such as "WorkflowType = 'placeOrder'"`;
    throw new InvalidInput([{ field: 'where', value: where, rule }]);
  }
}

function queryOf({ branch, before, where }: DeskFilter): string {
  const terms = [`${TX_STATE.name} = 'stuck'`, "ExecutionStatus = 'Running'"];
  if (branch !== undefined) terms.push(`${TX_BRANCH.name} = '${branch.replaceAll("'", "''")}'`);
  if (before !== undefined) terms.push(`${TX_STUCK_SINCE.name} <= '${before.toISOString()}'`);
  if (where !== undefined) terms.push(`(${where})`);
  return terms.join(' AND ');
}

function stuckOf(info: WorkflowExecutionInfo): StuckTransaction {
  const { typedSearchAttributes: attributes } = info;
  return {
    gid: info.workflowId,
    runId: info.runId,
    scheme: attributes.get(TX_SCHEME) as Scheme,
    transaction: info.type,
    branches: attributes.get(TX_BRANCH) ?? [],
    since: (attributes.get(TX_STUCK_SINCE) ?? info.startTime).toISOString(),
  };
}
