import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { OTHER_STATE, TX_SCHEME, TX_STATE } from '../workflow/attributes.js';
import type { Scheme, TransactionState } from '../workflow/branch.js';
import type { JournalPlace } from './journal.js';
import { journalLines } from './list-journal.js';
import { ask } from './server.js';

/**
 * The state of a transaction as it is found: its own, or how its run was ended from outside before it had one. `elsewhere`:
 * the run has met another transaction under its id, and has left nothing.
 */
export type FoundState = TransactionState | 'terminated' | 'timed-out' | 'cancelled' | typeof OTHER_STATE;

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
export const schemes = [
  'saga',
  'tcc',
  '2pc',
  '3pc',
  'message',
  'state',
  'machine',
  'reconcile',
] as const satisfies readonly Scheme[];

/** One line of a list. */
export interface ListedTransaction {
  readonly gid: string;
  readonly scheme: Scheme;
  readonly state: FoundState;
  /** The name of the transaction, such as `placeOrder`. */
  readonly transaction: string;
  /**
   * `direct`, `grouped`; `workflow`: a workflow drives it, in the lane `durable` or `lean`, or has taken it over. Only its
   * own view tells more.
   */
  readonly lane: string;
  /** The newest run; absent: it is no workflow. */
  readonly runId?: string;
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
  /** Where a worker is that lists those that are no workflows. Absent: they are left out. */
  readonly where?: JournalPlace;
  /** Told, once each, in lines, why some of those are missing. */
  readonly onMissing?: (line: string) => void;
}

const PAGE = 500;

/**
 * Lists transactions, a page at a time: those in progress, then those that have ended, each the newest first, as the server
 * lists its workflows. What happened in the last second or so may be missing: the server's list follows its histories with
 * a delay. One that was refused at its first step in the lane `direct` is not listed: nothing announced it.
 *
 * @throws ServerUnavailable
 */
export async function* listTransactions(client: Client, options: ListOptions): AsyncGenerator<ListedTransaction> {
  const told = new Set<string>();
  const onMissing = (line: string) => {
    if (!told.has(line)) options.onMissing?.(line);
    told.add(line);
  };
  const runs = listRuns(client, options);
  // A server that cannot be asked is told once, by this: the other lines come through it too.
  const firstRun = await runs.next();
  const journals = (['running', 'ended'] as const).map((of) => journalLines(client, of, { ...options, onMissing }));
  const sources = [runs, ...journals];
  const heads = [firstRun, ...(await Promise.all(journals.map((journal) => journal.next())))];
  // What a process drove when it was read may be met again: it has ended since, or a workflow has it.
  const inProgress = new Set<string>();
  for (let count = 0; count < options.limit;) {
    const place = newest(heads);
    if (place === undefined) return;
    const { value } = heads[place] as IteratorYieldResult<ListedTransaction>;
    heads[place] = (await sources[place]?.next()) ?? { done: true, value: undefined };
    if (inProgress.has(value.gid)) continue;
    if (value.endedAt === undefined && value.runId === undefined) inProgress.add(value.gid);
    count++;
    yield value;
  }
}

/** The source whose next line comes first; none, when all are at their end. */
function newest(heads: readonly IteratorResult<ListedTransaction, unknown>[]): number | undefined {
  let found: { place: number; key: string } | undefined;
  for (const [place, head] of heads.entries()) {
    if (head.done === true) continue;
    const { endedAt = IN_PROGRESS, startedAt } = head.value;
    const key = `${endedAt} ${startedAt}`;
    if (found === undefined || key > found.key) found = { place, key };
  }
  return found?.place;
}

/** Comes before every time. */
const IN_PROGRESS = '~';

/** The transactions that are workflows. */
async function* listRuns(client: Client, options: ListOptions): AsyncGenerator<ListedTransaction, undefined> {
  const found = client.workflow.list({ query: queryOf(options), pageSize: Math.min(options.limit, PAGE) });
  const iterator = found[Symbol.asyncIterator]();
  for (let count = 0; count < options.limit; count++) {
    const next = await ask(client, () => iterator.next());
    if (next.done === true) return undefined;
    yield listed(next.value);
  }
  return undefined;
}

function queryOf({ state, scheme, since }: ListOptions): string {
  // A state machine is no transaction, but has some: it is listed where it is asked for, and its newest run alone.
  const terms =
    scheme === undefined
      ? [`${TX_SCHEME.name} IS NOT NULL`, `${TX_SCHEME.name} != 'machine'`]
      : [`${TX_SCHEME.name} = '${scheme}'`, "ExecutionStatus != 'ContinuedAsNew'"];
  terms.push(state === undefined ? `(${NO_STATE} OR ${TX_STATE.name} != '${OTHER_STATE}')` : `(${stateTerm(state)})`);
  if (since !== undefined) terms.push(`StartTime >= '${since.toISOString()}'`);
  return terms.join(' AND ');
}

function stateTerm(state: FoundState): string {
  if (state === 'terminated') return "ExecutionStatus = 'Terminated'";
  if (state === 'timed-out') return "ExecutionStatus = 'TimedOut'";
  if (state === 'cancelled') return "ExecutionStatus = 'Canceled'";
  const term = `${TX_STATE.name} = '${state}' AND ExecutionStatus IN ('Running', 'Completed', 'Failed')`;
  if (state === 'running') return `(${term}) OR (${NO_STATE} AND ExecutionStatus IN ('Running', 'Failed'))`;
  if (state === 'committed') return `(${term}) OR (${NO_STATE} AND ExecutionStatus = 'Completed')`;
  return term;
}

/** The run's status says it. */
const NO_STATE = `${TX_STATE.name} IS NULL`;

function listed(info: WorkflowExecutionInfo): ListedTransaction {
  return {
    gid: info.workflowId,
    scheme: info.typedSearchAttributes.get(TX_SCHEME) as Scheme,
    state: foundState(info),
    transaction: info.type,
    lane: 'workflow',
    runId: info.runId,
    startedAt: info.startTime.toISOString(),
    endedAt: info.closeTime?.toISOString(),
  };
}

type Seen = Pick<WorkflowExecutionInfo, 'status' | 'typedSearchAttributes'>;

/** The state of a transaction's run; a run that was ended from outside never reached one of its own. */
export function foundState(info: Seen): FoundState {
  if (info.status.name === 'TERMINATED') return 'terminated';
  if (info.status.name === 'TIMED_OUT') return 'timed-out';
  if (info.status.name === 'CANCELLED') return 'cancelled';
  return stateOf(info);
}

/** The state that a run had last, however it ended. */
export function stateOf({ status, typedSearchAttributes }: Seen): TransactionState | typeof OTHER_STATE {
  const plain = status.name === 'COMPLETED' ? 'committed' : 'running';
  return (typedSearchAttributes.get(TX_STATE) ?? plain) as TransactionState | typeof OTHER_STATE;
}
