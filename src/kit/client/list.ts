import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { TX_SCHEME, TX_STATE } from '../workflow/attributes.js';
import type { Scheme, TransactionState } from '../workflow/branch.js';
import { ask } from './server.js';

/** The state of a transaction as it is found: its own, or how its run was ended from outside before it had one. */
export type FoundState = TransactionState | 'terminated' | 'timed-out' | 'cancelled';

/** All states by which transactions can be listed. */
export const foundStates = [
  'running',
  'compensating',
  'committed',
  'compensated',
  'stuck',
  'failed',
  'terminated',
  'timed-out',
  'cancelled',
] as const satisfies readonly FoundState[];

/** All schemes by which transactions can be listed. */
export const schemes = ['saga', 'tcc', '2pc', '3pc', 'message', 'state'] as const satisfies readonly Scheme[];

/** One line of a list. */
export interface ListedTransaction {
  readonly gid: string;
  readonly scheme: Scheme;
  readonly state: FoundState;
  /** The name of the transaction, such as `placeOrder`. */
  readonly transaction: string;
  readonly runId: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly endedAt?: string;
}

/** Which transactions to list. */
export interface ListOptions {
  readonly state?: FoundState;
  readonly scheme?: Scheme;
  /** Started at or after. */
  readonly since?: Date;
  /** At most so many. */
  readonly limit: number;
}

const PAGE = 500;

/**
 * Lists transactions, newest first, a page at a time. What happened in the last second or so may be missing: the
 * server's list follows its histories with a delay.
 *
 * @throws ServerUnavailable
 */
export async function* listTransactions(client: Client, options: ListOptions): AsyncGenerator<ListedTransaction> {
  const found = client.workflow.list({ query: queryOf(options), pageSize: Math.min(options.limit, PAGE) });
  const iterator = found[Symbol.asyncIterator]();
  for (let count = 0; count < options.limit; count++) {
    const next = await ask(client, () => iterator.next());
    if (next.done === true) return;
    yield listed(next.value);
  }
}

function queryOf({ state, scheme, since }: ListOptions): string {
  const terms = [scheme === undefined ? `${TX_SCHEME.name} IS NOT NULL` : `${TX_SCHEME.name} = '${scheme}'`];
  if (state !== undefined) terms.push(stateTerm(state));
  if (since !== undefined) terms.push(`StartTime >= '${since.toISOString()}'`);
  return terms.join(' AND ');
}

function stateTerm(state: FoundState): string {
  if (state === 'terminated') return "ExecutionStatus = 'Terminated'";
  if (state === 'timed-out') return "ExecutionStatus = 'TimedOut'";
  if (state === 'cancelled') return "ExecutionStatus = 'Canceled'";
  return `${TX_STATE.name} = '${state}' AND ExecutionStatus IN ('Running', 'Completed', 'Failed')`;
}

function listed(info: WorkflowExecutionInfo): ListedTransaction {
  return {
    gid: info.workflowId,
    scheme: info.typedSearchAttributes.get(TX_SCHEME) as Scheme,
    state: foundState(info),
    transaction: info.type,
    runId: info.runId,
    startedAt: info.startTime.toISOString(),
    endedAt: info.closeTime?.toISOString(),
  };
}

/** The state of a transaction's run; a run that was ended from outside never reached one of its own. */
export function foundState({
  status,
  typedSearchAttributes,
}: Pick<WorkflowExecutionInfo, 'status' | 'typedSearchAttributes'>): FoundState {
  if (status.name === 'TERMINATED') return 'terminated';
  if (status.name === 'TIMED_OUT') return 'timed-out';
  if (status.name === 'CANCELLED') return 'cancelled';
  return (typedSearchAttributes.get(TX_STATE) ?? 'running') as FoundState;
}
