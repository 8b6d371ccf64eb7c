import type { Alarm } from './alarms.js';
import type { ScanReport } from './scan.js';

/** What a scan raises, as plain rules. An alarm's id says what it is about, so that the next scan does not tell it again. */

const DAY_MS = 24 * 60 * 60_000;
/** So many alarms tell of one transaction each; beyond that one tells of all. */
const SINGLE_ALARMS = 10;

/**
 * The alarms of a scan's report.
 *
 * What was settled happened once, in this scan: its run is part of the id. What stays as it is, a case that waits at the
 * desk or a transaction that cannot be settled, is seen by every scan, and told once a day (of UTC).
 *
 * @param runId of the scan's workflow
 * @param now milliseconds since 1970
 */
export function scanAlarms({ settled, failed, old }: ScanReport, runId: string, now: number): Alarm[] {
  const day = Math.floor(now / DAY_MS);
  const orphans = settled.map((gid): Alarm => {
    const message = 'its run was ended from outside: it is being settled';
    return { id: `orphan/${gid}/${runId}`, kind: 'orphan', gid, at: now, message };
  });
  const left = failed.map(({ gid, message: why }): Alarm => {
    const message = `its run was ended from outside, and it could not be settled yet: ${why}`;
    return { id: `orphan/${gid}/${day}`, kind: 'orphan', gid, at: now, message };
  });
  const waiting = old.map(({ gid, since }): Alarm => {
    const message = `it waits for a person since ${new Date(since).toISOString()}`;
    return { id: `desk-case-old/${gid}/${since}/${day}`, kind: 'desk-case-old', gid, at: now, message };
  });
  return [
    ...few(orphans, `orphan/many/${runId}`),
    ...few(left, `orphan/many-not-settled/${day}`),
    ...few(waiting, `desk-case-old/many/${day}`),
  ];
}

/** @param id of the one alarm, where there are too many */
function few(alarms: readonly Alarm[], id: string): readonly Alarm[] {
  const [first] = alarms;
  if (first === undefined || alarms.length <= SINGLE_ALARMS) return alarms;
  const gids = alarms.slice(0, SINGLE_ALARMS).map(({ gid }) => gid);
  return [{ ...first, id, message: `${alarms.length} transactions, the first: ${gids.join(', ')}: ${first.message}` }];
}
