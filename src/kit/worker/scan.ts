import { setMaxListeners } from 'node:events';
import { Context } from '@temporalio/activity';
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { OTHER_STATE, TX_SCHEME, TX_STATE, TX_STUCK_SINCE } from '../workflow/attributes.js';
import { GROUP_STATE } from '../workflow/group.js';
import { messageOf } from '../database/message.js';
import type { Database } from '../database/sql.js';
import type { ScanReport, ScanSince } from '../workflow/scan.js';
import { THREE_PHASE_AGENT } from '../workflow/three-phase/protocol.js';
import { lookAfterHolds, type ExpiredHolds } from './expired-holds.js';
import { lookAfterFailing } from './failing.js';
import { endInDoubt } from './in-doubt.js';
import { eachInTime, ofServer } from './limited.js';
import { lookAfterMessages, type WatchedOutbox } from './outbox/undelivered.js';
import { lookAfterSchedules } from './schedules.js';
import { OPEN_STATES, settle } from './settle.js';
import { settleGroup } from './settle-group.js';
import { compareLost } from './three-phase-lost.js';

/** Transactions that are settled at a time. */
const CONCURRENCY = 10;
/** Names that a report holds at most. */
const NAMED = 1_000;
const PAGE = 200;
/** How often the runs that were ended are looked for in one scan, where that fails, and how long it waits in between; milliseconds. */
const TRIES = 3;
const PAUSE_MS = 2_000;
/** How long a message may wait, in milliseconds: a day's first look at what cannot be delivered is the relay's own. */
const MESSAGES_AGE_MS = 10 * 60_000;

/** Options of {@link scanActivities}. */
export interface ScanOptions {
  /** What participants hold for longer than they should. Default: none is asked. */
  readonly expired?: ExpiredHolds;
  /** The participants' databases by their names: in them it looks for prepared transactions that are in doubt. Default: none. */
  readonly databases?: Readonly<Record<string, Database>>;
  /** The outboxes in which it looks for messages that nobody delivers. Default: none. */
  readonly outboxes?: readonly WatchedOutbox[];
  /** Who ends what is in doubt, for the guard's rows: usually the worker's identity. */
  readonly who?: string;
}

/** The activity behind the workflow `scanTransactions`. */
export function scanActivities({ expired = {}, databases, outboxes = [], who = 'backstitch.scan' }: ScanOptions = {}) {
  return {
    'backstitch.scan': async (order: ScanSince): Promise<ScanReport> => {
      const context = Context.current();
      const { attempt, scheduledTimestampMs } = context.info;
      const { client, cancellationSignal: signal } = context;
      // Each call that is under way listens.
      setMaxListeners(0, signal);
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
      // can list what has ended. Nor does it keep what was done from being told: so it is tried again here, not by another
      // attempt, which would know nothing of that. Other attempts are for a worker that is lost.
      const failures = new Map<string, string>();
      const part = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
        // Not a beat: an attempt that dies at its first has done something by then, so that attempts that die get on.
        signal.throwIfAborted();
        try {
          const done = await work();
          failures.delete(what);
          return done;
        } catch (error) {
          signal.throwIfAborted();
          failures.set(what, messageOf(error));
          return undefined;
        }
      };
      const looked = new Looked();
      const look = () => part('what was ended from outside', () => scan(client, order, watch, looked));
      await look();
      const holds = await part('what is held', () => lookAfterHolds(client, expired, beat));
      const inDoubt = await part('what is in doubt', () =>
        endInDoubt(order, { client, databases: databases ?? {}, who, beat, signal, onFailure: warn }),
      );
      const { taskQueue } = context.info;
      const ageMs = order.messagesAgeMs ?? MESSAGES_AGE_MS;
      const messages = await part('what waits in outboxes', () =>
        lookAfterMessages(client, outboxes, { taskQueue, ageMs, beat }),
      );
      const onFailure = (gid: string, message: string) => {
        context.log.warn(`whether the task of ${gid} keeps failing could not be looked at: ${message}`);
      };
      const failing = await part('whose task keeps failing', () =>
        lookAfterFailing(client, order, { beat, onFailure }),
      );
      const scheduled = await lookAfterSchedules(client, taskQueue);
      beat();
      for (let tries = 1; !looked.isComplete && tries < TRIES; tries++) {
        await context.sleep(PAUSE_MS);
        await look();
      }
      for (const { gid, message } of holds?.failed ?? []) watch.onFailure(gid, message);
      const { unread, ...told } = inDoubt ?? { ended: [], old: [], unread: [] };
      const { completeTo, found, settled, compared, failed, old } = looked;
      const failure = [...failures].map(([what, why]) => `${what} could not be looked at: ${why}`).join('; ');
      return {
        completeTo: failure === '' ? completeTo : order.since,
        found,
        settled: [...new Set([...settled, ...(holds?.settled ?? [])])].slice(0, NAMED),
        compared: [...compared],
        failed: [...failed, ...(holds?.failed ?? [])].slice(0, NAMED),
        old,
        orphaned: holds?.orphaned ?? [],
        // Once each, by whichever part it was silent.
        unread: [
          ...new Map(
            [...unread, ...(holds?.unread ?? []), ...(messages?.unread ?? []), ...scheduled.unread].map((each) => [
              each.participant,
              each,
            ]),
          ).values(),
        ],
        undelivered: messages?.undelivered ?? [],
        ...(scheduled.schedules.length > 0 && { schedules: scheduled.schedules }),
        ...failing,
        ...(databases !== undefined && { inDoubt: told }),
        ...(failure !== '' && { failure }),
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

/** What {@link scan} has found: what it has begun stays when it is tried again, all else is found anew. */
class Looked {
  readonly settled = new Set<string>();
  readonly compared = new Set<string>();
  found = 0;
  failed: { gid: string; message: string }[] = [];
  old: { gid: string; since: number }[] = [];
  completeTo = 0;
  isComplete = false;

  begin(now: number): void {
    this.found = 0;
    this.failed = [];
    this.old = [];
    // What ends while the scan runs is the next one's.
    this.completeTo = now;
  }
}

/** Looks at the runs that were ended from outside, and at what waits at the desk. */
async function scan(client: Client, order: ScanSince, watch: Watch, looked: Looked): Promise<void> {
  const { lostSince, beat, signal, onFailure } = watch;
  const began = Date.now();
  looked.begin(began);
  const { settled, compared, failed, old } = looked;
  const ended = eachInTime(client.workflow.list({ query: endedQuery(order), pageSize: PAGE }));

  const notDone = (gid: string, error: unknown, closedAt = order.since): void => {
    const message = messageOf(error);
    onFailure(gid, message);
    if (failed.length < NAMED) failed.push({ gid, message });
    looked.completeTo = Math.min(looked.completeTo, closedAt);
  };
  const settleOne = async (info: WorkflowExecutionInfo): Promise<void> => {
    looked.found++;
    try {
      if (info.typedSearchAttributes.get(TX_STATE) === GROUP_STATE) {
        for (const gid of await settleGroup(client, info, beat)) if (settled.size < NAMED) settled.add(gid);
        return;
      }
      const done = await ofServer(settle(client, info));
      beat();
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
      // No beat before: an attempt that dies at its first has settled something.
      await settleOne(next.value);
      beat();
    }
  };
  // All of them, so that what one has begun is found when another one fails.
  const lanes = await Promise.allSettled(Array.from({ length: CONCURRENCY }, lane));
  for (const each of lanes) if (each.status === 'rejected') throw each.reason;

  const onOpen = (closedAt: number) => {
    looked.completeTo = Math.min(looked.completeTo, closedAt);
  };
  const { taskQueue } = watch;
  const lost = compareLost(client, { since: order.since, taskQueue, onFailure: notDone, onOpen, beat });
  for await (const gid of lost) {
    if (compared.size < NAMED) compared.add(gid);
    beat();
  }

  const waiting = client.workflow.list({ query: oldQuery(began - (order.deskAgeMs ?? 0)), pageSize: PAGE });
  for await (const info of eachInTime(waiting)) {
    if (old.length === NAMED) break;
    beat();
    const since = info.typedSearchAttributes.get(TX_STUCK_SINCE);
    if (since !== undefined) old.push({ gid: info.workflowId, since: since.getTime() });
  }
  looked.isComplete = true;
}

/**
 * Whether a run that was ended was followed by another one since: by an attempt of this scan that did not live to tell, or
 * by another scan meanwhile. The server knows that for certain; heartbeats, which are held back for some seconds, do not.
 */
async function wasSettled(client: Client, ended: WorkflowExecutionInfo, since: number): Promise<boolean> {
  const { runId, startTime } = await ofServer(client.workflow.getHandle(ended.workflowId).describe());
  return runId !== ended.runId && startTime.getTime() >= since;
}

/** Runs that were ended by anything but their own code. */
function endedQuery({ since, transactions = [] }: ScanSince): string {
  const state = TX_STATE.name;
  const open = [...OPEN_STATES, GROUP_STATE].map((each) => `'${each}'`).join(', ');
  // An agent of a three-phase commit is one too, and is started without the attributes.
  const names = [...transactions, THREE_PHASE_AGENT].map((name) => `'${name.replaceAll("'", "''")}'`).join(', ');
  const cut = "ExecutionStatus IN ('Terminated', 'TimedOut', 'Canceled')";
  const ours = [
    // Who shows how it ended may have had that still to write, where others look for it.
    `(${cut} AND ${state} IS NOT NULL AND ${state} != '${OTHER_STATE}')`,
    `(ExecutionStatus = 'Failed' AND ${state} IN (${open}))`,
    `(${TX_SCHEME.name} IS NOT NULL AND ${state} IS NULL)`,
    `(WorkflowType IN (${names}) AND ${TX_SCHEME.name} IS NULL)`,
  ].join(' OR ');
  const statuses = "ExecutionStatus IN ('Terminated', 'TimedOut', 'Failed', 'Canceled')";
  return `${statuses} AND CloseTime >= '${new Date(since).toISOString()}' AND (${ours})`;
}

function oldQuery(before: number): string {
  const when = new Date(before).toISOString();
  return `${TX_STATE.name} = 'stuck' AND ExecutionStatus = 'Running' AND ${TX_STUCK_SINCE.name} <= '${when}'`;
}
