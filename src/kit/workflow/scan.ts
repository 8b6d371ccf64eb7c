import { ApplicationFailure, proxyActivities, sleep, workflowInfo } from '@temporalio/workflow';
import { raiseAlarm } from './alarms-workflow.js';
import { scanAlarms } from './scan-alarms.js';

/**
 * The scan: finds transactions whose run was ended from outside before they were, and has them settled: the same
 * workflow runs again under the same id, looks at what became of every step, and finishes what it finds. It also finds what
 * participants hold for longer than they should, and of which no transaction takes care any more.
 *
 * Invariant: of a transaction that has ended, or whose newest run is alive, the scan changes nothing; what it could not
 * do is looked at again by the next one. Scans that run at the same time do no harm: a settling run is started once, as
 * its id is the transaction's.
 *
 * It also finds prepared transactions of two-phase commits that nobody has ended, and ends those whose coordinator has decided; and
 * messages that nobody delivers any more, and has them delivered again. It tells of runs whose workflow task keeps failing, and begins those
 * of state machines anew.
 */

/** What a scan is asked. */
export interface ScanOrder {
  /**
   * Names of workflows that are transactions though they may have been started without the kit's client, and so without
   * its search attributes. Default: none.
   */
  readonly transactions?: readonly string[];
  /** How far back it looks at least, in milliseconds; to the last complete scan if that is longer. Default: 10 minutes. */
  readonly lookBackMs?: number;
  /** How long a case may wait at the desk until an alarm tells of it, once a day; in milliseconds. Default: 1 day. */
  readonly deskAgeMs?: number;
  /** After how long a prepared transaction is in doubt, in milliseconds: then its coordinator is looked up. Default: 1 minute. */
  readonly inDoubtMs?: number;
  /** After how long one that is in doubt raises an alarm, in milliseconds. Default: 10 minutes. */
  readonly inDoubtAlarmMs?: number;
  /** How long a message may wait in an outbox until it is looked whether anybody delivers it, in milliseconds. Default: 10 minutes. */
  readonly messagesAgeMs?: number;
  /**
   * For how long the workflow task of a state machine's run may fail as its code does not fit its history, until the run is ended and begun
   * anew from its row; in milliseconds. Default: 10 minutes.
   */
  readonly failingMs?: number;
  /** How often a workflow task has to fail until it is told. Default: 3. */
  readonly taskFailures?: number;
  /**
   * How many machines may fail so, with those that were begun anew within a day: more are a release that does not fit, and none is begun anew
   * then. Default: 20.
   */
  readonly mostUnfit?: number;
}

/** An open run whose workflow task keeps failing. */
export interface FailingRun {
  readonly gid: string;
  readonly runId: string;
  readonly scheme: string;
  /** Tries of its task. */
  readonly attempts: number;
  /** Since when, in milliseconds since 1970; absent: no history tells. */
  readonly since?: number;
  /** In one line; absent: it runs out of time, or only the workers' log tells. */
  readonly cause?: string;
  /** It was ended, and is begun anew from its row. */
  readonly isBegunAnew?: true;
  /** It is a machine's that would have been, but so many fail so, or were begun anew within a day, that it is taken for a release that does not fit. */
  readonly ofMany?: number;
}

/** Messages of an outbox that wait for longer than they should. */
export interface UndeliveredMessages {
  readonly outbox: string;
  readonly stream: string;
  /** How many wait in it, up to 20,000. */
  readonly waiting: number;
  /** Since when the oldest does, in milliseconds since 1970. */
  readonly since: number;
  /** Nobody delivered it any more: that was started again. */
  readonly startedAgain: boolean;
}

/** What a participant holds for a transaction, and should not any more. */
export interface ExpiredHold {
  readonly gid: string;
  /** Whose hold it is; or what is held, where no branch is known. */
  readonly branch: string;
  /** Since when, in milliseconds since 1970. */
  readonly since: number;
}

/** A hold of which no transaction takes care any more. */
export interface OrphanedHold extends ExpiredHold {
  readonly participant: string;
  /** How its transaction ended without ending it, or that there is none, in one line. */
  readonly why: string;
}

/** What a scan did. */
export interface ScanReport {
  /** What ended before this time, in milliseconds since 1970, needs no further look. */
  readonly completeTo: number;
  /** Transactions whose run had been ended. */
  readonly found: number;
  /** Those that it had settled: up to 1,000 of them. */
  readonly settled: readonly string[];
  /** Three-phase commits whose coordinator is gone, and whose agents are compared now: up to 1,000 of them. */
  readonly compared: readonly string[];
  /** Those that could not be settled: the next scan tries again. */
  readonly failed: readonly { readonly gid: string; readonly message: string }[];
  /** Cases that have waited at the desk for too long: the first of up to 1,000. */
  readonly old: readonly { readonly gid: string; readonly since: number }[];
  /** Holds of which no transaction takes care any more, up to 1,000: nothing was done about them. */
  readonly orphaned: readonly OrphanedHold[];
  /** Participants that could not be asked what they hold, or what is prepared there: the next scan tries again. */
  readonly unread: readonly { readonly participant: string; readonly message: string }[];
  /** Streams of outboxes with messages that wait for too long; absent in reports of before there were any. */
  readonly undelivered?: readonly UndeliveredMessages[];
  /** Schedules of the task queue that a person should look at, and why, in one line; absent: none. */
  readonly schedules?: readonly { readonly id: string; readonly trouble: string }[];
  /** Runs whose workflow task keeps failing, up to 1,000; absent in reports of before there were any. */
  readonly failing?: readonly FailingRun[];
  /** Where the next scan goes on to look for such, as there were too many open ones; in milliseconds since 1970. Absent: from the newest. */
  readonly failingFrom?: number;
  /** Absent: the worker that scanned was given no databases. */
  readonly inDoubt?: InDoubtReport;
  /**
   * What could not be looked at in the end, and why, in one line: what is told here was done, and is not all. Then `completeTo` is
   * where the scan began to look. Absent: nothing; a scan that resolves to its report has none.
   */
  readonly failure?: string;
}

/** What a scan did about prepared transactions that nobody had ended. */
export interface InDoubtReport {
  /** Those that were ended now, as their coordinators had decided. */
  readonly ended: readonly { readonly gid: string; readonly branch: string; readonly end: 'commit' | 'rollback' }[];
  /** Those that are in doubt for too long, since when (in milliseconds since 1970), and why they are not ended. */
  readonly old: readonly {
    readonly gid: string;
    readonly branch: string;
    readonly since: number;
    readonly message: string;
  }[];
}

/** What the activity gets: the order with the time to look back to. */
export type ScanSince = ScanOrder & { readonly since: number } & Pick<ScanReport, 'failingFrom'>;

const LOOK_BACK_MS = 10 * 60_000;
/** How long a scan waits until its alarms are raised. */
const ALARMS_MS = 60_000;
const DAY_MS = 24 * 60 * 60_000;

const activities = proxyActivities<{ 'backstitch.scan': (order: ScanSince) => Promise<ScanReport> }>({
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute', maximumAttempts: 10 },
});

/**
 * The workflow that scans once; a schedule runs it every five minutes.
 *
 * @throws a failure of type `ScanIncomplete`, in one line, if a part of it could not be done: alarms tell of all that was found nevertheless
 */
export async function scanTransactions(order: ScanOrder = {}): Promise<ScanReport> {
  const last = workflowInfo().lastResult as ScanReport | undefined;
  const { lookBackMs = LOOK_BACK_MS, deskAgeMs = DAY_MS } = order;
  // The first scan looks at all that is kept.
  const since = last === undefined ? 0 : Math.min(last.completeTo, Date.now() - lookBackMs);
  const report = await activities['backstitch.scan']({
    ...{ ...order, deskAgeMs, since },
    ...(last?.failingFrom !== undefined && { failingFrom: last.failingFrom }),
  });
  const alarms = scanAlarms(report, workflowInfo().runId, Date.now());
  // To raise an alarm is to send a signal: where that does not work, the report still tells.
  await Promise.race([Promise.allSettled(alarms.map(raiseAlarm)), sleep(ALARMS_MS)]);
  // The next scan looks as far back as this one, as only what a scan resolves to is handed on.
  if (report.failure !== undefined) {
    throw ApplicationFailure.nonRetryable(`${report.failure}; all else was done`, 'ScanIncomplete');
  }
  return report;
}
