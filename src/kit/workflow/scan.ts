import { proxyActivities, sleep, workflowInfo } from '@temporalio/workflow';
import type { Alarm } from './alarms.js';
import { raiseAlarm } from './alarms-workflow.js';

/**
 * The scan: finds transactions whose run was ended from outside before they were, and has them settled: the same
 * workflow runs again under the same id, looks at what became of every step, and finishes what it finds.
 *
 * Invariant: of a transaction that has ended, or whose newest run is alive, the scan changes nothing; what it could not
 * do is looked at again by the next one. Scans that run at the same time do no harm: a settling run is started once, as
 * its id is the transaction's.
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
}

/** What a scan did. */
export interface ScanReport {
  /** What ended before this time, in milliseconds since 1970, needs no further look. */
  readonly completeTo: number;
  /** Transactions whose run had been ended. */
  readonly found: number;
  /** Those that it had settled: the newest of up to 1,000. */
  readonly settled: readonly string[];
  /** Those that could not be settled: the next scan tries again. */
  readonly failed: readonly { readonly gid: string; readonly message: string }[];
  /** Cases that have waited at the desk for too long: the first of up to 1,000. */
  readonly old: readonly { readonly gid: string; readonly since: number }[];
}

/** What the activity gets: the order with the time to look back to. */
export type ScanSince = ScanOrder & { readonly since: number };

const LOOK_BACK_MS = 10 * 60_000;
/** How long a scan waits until its alarms are raised. */
const ALARMS_MS = 60_000;
const DAY_MS = 24 * 60 * 60_000;
/** So many alarms tell of one transaction each; beyond that one tells of all. */
const SINGLE_ALARMS = 10;

const activities = proxyActivities<{ 'backstitch.scan': (order: ScanSince) => Promise<ScanReport> }>({
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute', maximumAttempts: 10 },
});

/** The workflow that scans once; a schedule runs it every five minutes. */
export async function scanTransactions(order: ScanOrder = {}): Promise<ScanReport> {
  const last = workflowInfo().lastResult as ScanReport | undefined;
  const { lookBackMs = LOOK_BACK_MS, deskAgeMs = DAY_MS } = order;
  // The first scan looks at all that is kept.
  const since = last === undefined ? 0 : Math.min(last.completeTo, Date.now() - lookBackMs);
  const report = await activities['backstitch.scan']({ ...order, deskAgeMs, since });
  const now = Date.now();
  const orphans = report.settled.map((gid): Alarm => {
    const message = 'its run was ended from outside: it is being settled';
    return { id: `orphan/${gid}/${workflowInfo().runId}`, kind: 'orphan', gid, at: now, message };
  });
  const left = report.failed.map(({ gid, message: why }): Alarm => {
    const message = `its run was ended from outside, and it could not be settled yet: ${why}`;
    return { id: `orphan/${gid}/${Math.floor(now / DAY_MS)}`, kind: 'orphan', gid, at: now, message };
  });
  const old = report.old.map(({ gid, since: waits }): Alarm => {
    const message = `it waits for a person since ${new Date(waits).toISOString()}`;
    // One a day.
    return {
      id: `desk-case-old/${gid}/${waits}/${Math.floor(now / DAY_MS)}`,
      kind: 'desk-case-old',
      gid,
      at: now,
      message,
    };
  });
  // To raise an alarm is to send a signal: where that does not work, the report still tells.
  await Promise.race([
    Promise.allSettled([...few(orphans), ...few(left), ...few(old)].map(raiseAlarm)),
    sleep(ALARMS_MS),
  ]);
  return report;
}

function few(alarms: readonly Alarm[]): readonly Alarm[] {
  const [first] = alarms;
  if (first === undefined || alarms.length <= SINGLE_ALARMS) return alarms;
  const gids = alarms.slice(0, SINGLE_ALARMS).map(({ gid }) => gid);
  const message = `${alarms.length} transactions, the first: ${gids.join(', ')}: ${first.message}`;
  // The newest of each: their gids tell one from the other.
  return [{ ...first, id: `${first.kind}/${first.gid ?? ''}/${workflowInfo().runId}`, message }];
}
