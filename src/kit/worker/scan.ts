import { Context } from '@temporalio/activity';
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { TX_SCHEME, TX_STATE, TX_STUCK_SINCE } from '../workflow/attributes.js';
import { GROUP_STATE } from '../workflow/group.js';
import type { Database } from '../database/sql.js';
import type { ScanReport, ScanSince } from '../workflow/scan.js';
import { THREE_PHASE_AGENT } from '../workflow/three-phase/protocol.js';
import { lookAfterHolds, type ExpiredHolds } from './expired-holds.js';
import { endInDoubt } from './in-doubt.js';
import { settle } from './settle.js';
import { settleGroup } from './settle-group.js';
import { compareLost } from './three-phase-lost.js';

/** Transactions that are settled at a time. */
const CONCURRENCY = 10;
/** Names that a report holds at most. */
const NAMED = 1_000;
const PAGE = 200;

/** Options of {@link scanActivities}. */
export interface ScanOptions {
  /** What participants hold for longer than they should. Default: none is asked. */
  readonly expired?: ExpiredHolds;
  /** The participants' databases by their names: in them it looks for prepared transactions that are in doubt. Default: none. */
  readonly databases?: Readonly<Record<string, Database>>;
  /** Who ends them, for the guard's rows: usually the worker's identity. */
  readonly who?: string;
}

/** The activity behind the workflow `scanTransactions`. */
export function scanActivities({ expired = {}, databases, who = 'backstitch.scan' }: ScanOptions = {}) {
  return {
    'backstitch.scan': async (order: ScanSince): Promise<ScanReport> => {
      const context = Context.current();
      const { attempt, scheduledTimestampMs } = context.info;
      const { client, cancellationSignal: signal } = context;
      const beat = () => {
        signal.throwIfAborted();
        context.heartbeat();
      };
      const warn = (what: string, message: string) => {
        context.log.warn(`what is in doubt at ${what} could not be looked at or ended, and will be again: ${message}`);
      };
      const watch: Watch = {
        taskQueue: context.info.taskQueue,
        lostSince: attempt > 1 ? scheduledTimestampMs : undefined,
        beat,
        signal,
        onFailure: (gid, message) => {
          context.log.warn(`the scan could not settle ${gid}, and will try again: ${message}`);
        },
      };
      // What one part cannot do keeps nothing from the others: what is held for nobody does not depend on whether the server
      // can list what has ended. It is reported when all have had their turn.
      let failure: { readonly error: unknown } | undefined;
      const part = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
        signal.throwIfAborted();
        try {
          return await work();
        } catch (error) {
          failure ??= { error };
          return undefined;
        }
      };
      const report = await part(() => scan(client, order, watch));
      const holds = await part(() => lookAfterHolds(client, expired, beat));
      const inDoubt = await part(() =>
        endInDoubt(order, { client, databases: databases ?? {}, who, beat, signal, onFailure: warn }),
      );
      if (report === undefined || holds === undefined || inDoubt === undefined) throw failure?.error;
      for (const { gid, message } of holds.failed) watch.onFailure(gid, message);
      const { unread, ...told } = inDoubt;
      return {
        ...report,
        settled: [...new Set([...report.settled, ...holds.settled])].slice(0, NAMED),
        failed: [...report.failed, ...holds.failed].slice(0, NAMED),
        orphaned: holds.orphaned,
        // Once each, by whichever part it was silent.
        unread: [...new Map([...unread, ...holds.unread].map((each) => [each.participant, each])).values()],
        ...(databases !== undefined && { inDoubt: told }),
      };
    },
  };
}

interface Watch {
  readonly taskQueue: string;
  /**
   * When the first attempt was asked for, in milliseconds since 1970: what attempts before this one have settled nobody
   * was told of. Absent: this is the first.
   */
  readonly lostSince: number | undefined;
  readonly beat: () => void;
  readonly signal: AbortSignal;
  readonly onFailure: (gid: string, message: string) => void;
}

/** Looks at the runs that were ended from outside, and at what waits at the desk. */
async function scan(client: Client, order: ScanSince, watch: Watch): Promise<Omit<ScanReport, 'orphaned' | 'unread'>> {
  const { lostSince, beat, signal, onFailure } = watch;
  // What ends while the scan runs is the next one's.
  const began = Date.now();
  const settled = new Set<string>();
  const failed: { gid: string; message: string }[] = [];
  let found = 0;
  let completeTo = began;
  const ended = client.workflow.list({ query: endedQuery(order), pageSize: PAGE })[Symbol.asyncIterator]();

  const notDone = (gid: string, error: unknown, closedAt = order.since): void => {
    const message = error instanceof Error ? error.message : String(error);
    onFailure(gid, message);
    if (failed.length < NAMED) failed.push({ gid, message });
    completeTo = Math.min(completeTo, closedAt);
  };
  const settleOne = async (info: WorkflowExecutionInfo): Promise<void> => {
    found++;
    try {
      if (info.typedSearchAttributes.get(TX_STATE) === GROUP_STATE) {
        for (const gid of await settleGroup(client, info)) if (settled.size < NAMED) settled.add(gid);
        return;
      }
      const done = await settle(client, info);
      if (settled.size === NAMED) return;
      if (done || (lostSince !== undefined && (await wasSettled(client, info, lostSince))))
        settled.add(info.workflowId);
    } catch (error) {
      notDone(info.workflowId, error, info.closeTime?.getTime());
    }
  };
  const lane = async (): Promise<void> => {
    for (;;) {
      signal.throwIfAborted();
      const next = await ended.next();
      if (next.done === true) return;
      await settleOne(next.value);
      beat();
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, lane));

  const lost = compareLost(client, { since: order.since, taskQueue: watch.taskQueue, onFailure: notDone });
  for await (const gid of lost) {
    found++;
    if (settled.size < NAMED) settled.add(gid);
    beat();
  }

  const old: { gid: string; since: number }[] = [];
  for await (const info of client.workflow.list({ query: oldQuery(began - (order.deskAgeMs ?? 0)), pageSize: PAGE })) {
    if (old.length === NAMED) break;
    const since = info.typedSearchAttributes.get(TX_STUCK_SINCE);
    if (since !== undefined) old.push({ gid: info.workflowId, since: since.getTime() });
  }
  return { completeTo, found, settled: [...settled], failed, old };
}

/**
 * Whether a run that was ended was followed by another one since: by an attempt of this scan that did not live to tell, or
 * by another scan meanwhile. The server knows that for certain; heartbeats, which are held back for some seconds, do not.
 */
async function wasSettled(client: Client, ended: WorkflowExecutionInfo, since: number): Promise<boolean> {
  const { runId, startTime } = await client.workflow.getHandle(ended.workflowId).describe();
  return runId !== ended.runId && startTime.getTime() >= since;
}

/** Runs that were ended by anything but their own code. */
function endedQuery({ since, transactions = [] }: ScanSince): string {
  const open = ['running', 'compensating', 'stuck', GROUP_STATE].map((state) => `'${state}'`).join(', ');
  // An agent of a three-phase commit is one too, and is started without the attributes.
  const names = [...transactions, THREE_PHASE_AGENT].map((name) => `'${name.replaceAll("'", "''")}'`).join(', ');
  const ours = [
    `${TX_STATE.name} IN (${open})`,
    `(${TX_SCHEME.name} IS NOT NULL AND ${TX_STATE.name} IS NULL)`,
    `(WorkflowType IN (${names}) AND ${TX_SCHEME.name} IS NULL)`,
  ].join(' OR ');
  const statuses = "ExecutionStatus IN ('Terminated', 'TimedOut', 'Failed', 'Canceled')";
  return `${statuses} AND CloseTime >= '${new Date(since).toISOString()}' AND (${ours})`;
}

function oldQuery(before: number): string {
  const when = new Date(before).toISOString();
  return `${TX_STATE.name} = 'stuck' AND ExecutionStatus = 'Running' AND ${TX_STUCK_SINCE.name} <= '${when}'`;
}
