import type { Alarm } from './alarms.js';
import type { FailingRun, ScanReport } from './scan.js';

/** What a scan raises, as plain rules. An alarm's id says what it is about, so that the next scan does not tell it again. */

const DAY_MS = 24 * 60 * 60_000;
/** So many alarms tell of one transaction each; beyond that one tells of all. */
const SINGLE_ALARMS = 10;

/**
 * The alarms of a scan's report.
 *
 * What was settled or compared happened once, in this scan: its run is part of the id. What stays as it is, a case that waits at the
 * desk, a transaction that cannot be settled, one that stays prepared, a hold that nobody ends or messages that wait, is seen by every scan, and
 * told once a day (of UTC).
 *
 * @param runId of the scan's workflow
 * @param now milliseconds since 1970
 */
export function scanAlarms(
  { settled, compared, failed, old, orphaned, inDoubt, undelivered = [], schedules = [], failing = [] }: ScanReport,
  runId: string,
  now: number,
): Alarm[] {
  const day = Math.floor(now / DAY_MS);
  const orphans = settled.map((gid): Alarm => {
    const message = 'its run was ended from outside: it is being settled';
    return { id: `orphan/${gid}/${runId}`, kind: 'orphan', gid, at: now, message };
  });
  const lost = compared.map((gid): Alarm => {
    const message = 'its coordinator is gone: what its agents decided is compared';
    return { id: `orphan/${gid}/compared/${runId}`, kind: 'orphan', gid, at: now, message };
  });
  const left = failed.map(({ gid, message: why }): Alarm => {
    const message = `its run was ended from outside, and it could not be settled yet: ${why}`;
    return { id: `orphan/${gid}/${day}`, kind: 'orphan', gid, at: now, message };
  });
  const waiting = old.map(({ gid, since }): Alarm => {
    const message = `it waits for a person since ${new Date(since).toISOString()}`;
    return { id: `desk-case-old/${gid}/${since}/${day}`, kind: 'desk-case-old', gid, at: now, message };
  });
  const prepared = (inDoubt?.old ?? []).map(({ gid, branch, since, message: why }): Alarm => {
    const message = `branch '${branch}' is prepared since ${new Date(since).toISOString()}, and holds its locks: ${why}`;
    return { id: `in-doubt/${gid}/${branch}/${since}/${day}`, kind: 'in-doubt', gid, branch, at: now, message };
  });
  // One a transaction, whatever it has left.
  const first = new Map(orphaned.toReversed().map((hold) => [hold.gid, hold]));
  const held = [...first.values()].map(({ participant, gid, branch, since, why }): Alarm => {
    const until = new Date(since).toISOString();
    const message = `'${participant}' holds its branch '${branch}', which should have ended by ${until}: ${why}`;
    return { id: `expired-hold/${gid}/${day}`, kind: 'expired-hold', gid, branch, at: now, message };
  });
  const messages = undelivered.map(({ outbox, stream, waiting, since, startedAgain }): Alarm => {
    const how = startedAgain
      ? 'what delivers them was ended from outside, and is started again'
      : 'what delivers them runs: see messages list';
    return {
      id: `messages-undelivered/${stream}/${startedAgain ? runId : day}`,
      kind: 'messages-undelivered',
      at: now,
      message: `${waiting} messages of ${stream} wait, the oldest since ${new Date(since).toISOString()}: ${how}`,
      data: { outbox, stream },
    };
  });
  const scheduled = schedules.map(({ id, trouble }): Alarm => {
    return {
      id: `schedule/${id}/${day}`,
      kind: 'schedule',
      at: now,
      message: `${id}: ${trouble}`,
      data: { schedule: id },
    };
  });
  const stuck = failing.map((run): Alarm => {
    const { gid, since = 0 } = run;
    const id = `task-failing/${run.runId}/${since}/${run.isBegunAnew === true ? 'anew' : day}`;
    return { id, kind: 'task-failing', gid, at: now, message: failingMessage(run) };
  });
  const [anew, told] = [true, false].map((is) => stuck.filter((_, at) => (failing[at]?.isBegunAnew ?? false) === is));
  return [
    ...messages,
    ...scheduled,
    ...few(orphans, `orphan/many/${runId}`),
    ...few(lost, `orphan/many-compared/${runId}`),
    ...few(left, `orphan/many-not-settled/${day}`),
    ...few(waiting, `desk-case-old/many/${day}`),
    ...few(prepared, `in-doubt/many/${day}`),
    ...few(held, `expired-hold/many/${day}`),
    ...few(anew ?? [], `task-failing/many-anew/${runId}`),
    // By the hour in which most of them began: another release on the same day is another alarm.
    ...few(told ?? [], `task-failing/many/${day}/${hourOf(failing)}`),
  ];
}

/** What a person is told of a run whose task keeps failing, and what there is to be done. */
export function failingMessage(run: FailingRun): string {
  const { gid, runId, scheme, attempts, since, cause, isBegunAnew, ofMany } = run;
  const from = since === undefined ? '' : `, since ${new Date(since).toISOString()}`;
  const what = `its workflow task keeps failing, ${attempts} times by now${from}: ${cause ?? "the workers' log says why"}`;
  if (isBegunAnew === true) return `${what}; it was ended, and is begun anew from its row`;
  if (ofMany !== undefined) {
    return `${what}; ${ofMany} machines fail so, or were begun anew within a day: that is a release that does not fit, and is to be rolled back`;
  }
  if (scheme === '3pc') {
    return `${what}; roll back the release that came before that, and do not end the run: in the midst of its commit that may split it (docs/3pc.md)`;
  }
  const end = `temporal workflow terminate --workflow-id '${gid}' --run-id '${runId}' --reason '…'`;
  const then =
    scheme === 'machine'
      ? 'and the scan begins it anew from its row'
      : 'and the scan has it finished, which may undo it';
  return `${what}; roll back the release that came before that, or end the run, ${then}: ${end}`;
}

/** The hour in which most of them, of those that were not begun anew, began to fail; of two the later one. */
function hourOf(failing: readonly FailingRun[]): string {
  const counts = new Map<string, number>();
  for (const { isBegunAnew, since } of failing) {
    if (isBegunAnew === true || since === undefined) continue;
    const hour = new Date(since).toISOString().slice(0, 13);
    counts.set(hour, (counts.get(hour) ?? 0) + 1);
  }
  const [most] = [...counts].sort(([one, few], [other, many]) => many - few || (one < other ? 1 : -1));
  return most?.[0] ?? '';
}

/** @param id of the one alarm, where there are too many */
function few(alarms: readonly Alarm[], id: string): readonly Alarm[] {
  const [first] = alarms;
  if (first === undefined || alarms.length <= SINGLE_ALARMS) return alarms;
  const gids = alarms.slice(0, SINGLE_ALARMS).map(({ gid }) => gid);
  return [{ ...first, id, message: `${alarms.length} transactions, the first: ${gids.join(', ')}: ${first.message}` }];
}
