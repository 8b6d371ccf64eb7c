import { type Client, type WorkflowExecutionInfo, WorkflowNotFoundError } from '@temporalio/client';
import { OTHER_STATE, TX_BRANCH, TX_SCHEME, TX_STATE, TX_STUCK_SINCE } from '../../workflow/attributes.js';
import { deskIdOf, gidAtDesk, STATE_TABLE_DESK } from '../../workflow/state-table/desk.js';
import { foundState, type FoundState } from '../list.js';
import { ask, quoted } from '../server.js';
import { historyOf } from '../show/history.js';
import { NoteLog, type HistoryNote } from './notes.js';

/** A run of a transaction, as the server lists it. */
export interface FoundRun {
  readonly gid: string;
  /** The gid, but for a row of a state table that waits for a person. */
  readonly workflowId: string;
  readonly runId: string;
  readonly state: FoundState;
  /** ISO 8601; absent while it is open. */
  readonly closedAt?: string;
  /** What is seen of it from outside: when that changes, there is more in its history. */
  readonly seen: string;
}

const PAGE = 200;

/**
 * Runs of transactions that have closed since, and did not simply commit: one that did so has no state but its status. And
 * those that wait for a person since then. A page at a time.
 */
export async function* runsSince(client: Client, since: Date): AsyncGenerator<FoundRun[]> {
  const from = quoted(since.toISOString());
  yield* pages(
    client,
    `${TX_SCHEME.name} IS NOT NULL AND CloseTime >= ${from} AND (ExecutionStatus != 'Completed'` +
      ` OR ${TX_STATE.name} IS NOT NULL)`,
  );
  yield* pages(
    client,
    `${TX_STATE.name} = 'stuck' AND ExecutionStatus = 'Running' AND ${TX_STUCK_SINCE.name} >= ${from}`,
  );
}

/** How many runs, and how many transactions, one question may name. */
const NAMED = 100;
const ASKED = 10;

/** These runs, as they are now; those that the server does not know any more are missing. */
export async function* runsById(client: Client, runIds: readonly string[]): AsyncGenerator<FoundRun[]> {
  for (let from = 0; from < runIds.length; from += NAMED) {
    const ids = runIds.slice(from, from + NAMED).map(quoted);
    yield* pages(client, `RunId IN (${ids.join(', ')})`);
  }
}

/** All runs of a transaction, the newest as it is at this moment. */
export async function runsOf(client: Client, gid: string): Promise<FoundRun[]> {
  const runs = new Map<string, FoundRun>();
  const atDesk = `WorkflowType = '${STATE_TABLE_DESK}' AND WorkflowId STARTS_WITH ${quoted(deskIdOf('', gid))}`;
  const query = `(WorkflowId = ${quoted(gid)} OR (${atDesk})) AND ${TX_SCHEME.name} IS NOT NULL`;
  for await (const page of pages(client, query)) for (const run of page) if (run.gid === gid) runs.set(run.runId, run);
  // The list follows with a delay.
  try {
    const newest = await ask(client, () => client.workflow.getHandle(gid).describe());
    if (newest.typedSearchAttributes.get(TX_SCHEME) !== undefined) runs.set(newest.runId, foundRun(newest));
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
  return [...runs.values()];
}

/**
 * The runs in which a person may have decided something about transactions, each with its own desk, or with that of a state table's row; of
 * a state machine those of its sagas. One that has simply committed was at no desk, and is left out.
 */
export async function runsWithDecisions(client: Client, gids: readonly string[]): Promise<FoundRun[]> {
  const runs = new Map<string, FoundRun>();
  for (let from = 0; from < gids.length; from += ASKED) {
    const named = gids.slice(from, from + ASKED);
    const theirs = named.flatMap((gid) => [
      `WorkflowId STARTS_WITH ${quoted(`${gid}.`)}`,
      `WorkflowId STARTS_WITH ${quoted(deskIdOf('', gid))}`,
    ]);
    const query = `(WorkflowId IN (${named.map(quoted).join(', ')}) OR ${theirs.join(' OR ')}) AND ${TX_SCHEME.name} IS NOT NULL
      AND ${TX_SCHEME.name} != 'machine' AND ${TX_STATE.name} IS NOT NULL AND ${TX_STATE.name} != '${OTHER_STATE}'`;
    for await (const page of pages(client, query)) for (const run of page) runs.set(run.runId, run);
  }
  return [...runs.values()];
}

/** Machines of which {@link sagasUnderWay} takes the ids, at most. */
export const MACHINES_ASKED = 20;

/** The ids of sagas of these machines that run, or of which a run was ended from outside: how each stands now is to be asked of it by its id. */
export async function sagasUnderWay(client: Client, machines: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  const theirs = machines.map((gid) => `WorkflowId STARTS_WITH ${quoted(`${gid}.`)}`);
  const query = `(${theirs.join(' OR ')}) AND ${TX_SCHEME.name} IS NOT NULL AND ExecutionStatus != 'Completed'`;
  for await (const page of pages(client, query)) for (const { workflowId } of page) found.add(workflowId);
  return [...found];
}

/**
 * Reads what a run's history tells beyond the guards' rows.
 *
 * @throws WorkflowNotFoundError when the server does not keep it any more
 */
export async function readRun(
  client: Client,
  { workflowId, runId, state, closedAt }: FoundRun,
): Promise<HistoryNote[]> {
  const log = new NoteLog(client.options.loadedDataConverter);
  for await (const event of historyOf(client, workflowId, runId)) await log.add(event, state);
  if (closedAt === undefined) {
    const { raw } = await ask(client, () => client.workflow.getHandle(workflowId, runId).describe());
    await log.calls.addPending(raw.pendingActivities ?? []);
  }
  return log.notes(closedAt !== undefined);
}

async function* pages(client: Client, query: string): AsyncGenerator<FoundRun[]> {
  const found = client.workflow.list({ query, pageSize: PAGE })[Symbol.asyncIterator]();
  let page: FoundRun[] = [];
  for (;;) {
    const next = await ask(client, () => found.next());
    if (next.done !== true) page.push(foundRun(next.value));
    if (page.length === PAGE || (next.done === true && page.length > 0)) {
      yield page;
      page = [];
    }
    if (next.done === true) return;
  }
}

function foundRun(
  info: Pick<WorkflowExecutionInfo, 'workflowId' | 'type' | 'runId' | 'status' | 'closeTime' | 'typedSearchAttributes'>,
): FoundRun {
  const { workflowId, type, runId, closeTime, typedSearchAttributes } = info;
  const stuckSince = typedSearchAttributes.get(TX_STUCK_SINCE)?.toISOString();
  const branches = typedSearchAttributes.get(TX_BRANCH)?.toSorted();
  const state = foundState(info);
  return {
    gid: type === STATE_TABLE_DESK ? gidAtDesk(workflowId) : workflowId,
    workflowId,
    runId,
    state,
    closedAt: closeTime?.toISOString(),
    seen: JSON.stringify([state, stuckSince, branches]),
  };
}
