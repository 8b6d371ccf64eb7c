import type { Paused } from './paused.js';
import type { ScheduleRun } from './read.js';

/** What a person should look at of a schedule, as plain rules. Pure. */

/** One that runs more often than this may fail for a moment: it is told when all of its newest runs have. */
const OFTEN_MS = 3_600_000;
/** So many turns may pass by. */
const TURNS = 3;
/** But at least so long nothing may run: who pauses the scan for a moment is not told at once. */
const QUIET_MS = 30 * 60_000;

/** @param schedule `runs`: the newest first, up to three; `since`: when it ran last, or was made */
export function troubleOf({
  runs,
  since,
  everyMs,
  paused,
  now,
}: {
  readonly runs: readonly ScheduleRun[];
  readonly since: number;
  readonly everyMs: number;
  readonly paused: Paused | undefined;
  readonly now: number;
}): string | undefined {
  const quietMs = Math.max(TURNS * everyMs, QUIET_MS);
  const sinceWhen = `since ${new Date(since).toISOString()}`;
  if (now - since > quietMs) {
    if (paused !== undefined) return `it is paused, and has not run ${sinceWhen}`;
    if (runs[0]?.outcome === 'running') return `its run has not ended ${sinceWhen}: nothing else of it runs`;
    return `nothing of it has run ${sinceWhen}`;
  }
  const ended = runs.filter(({ outcome }) => outcome !== 'running');
  const failed = ended.filter(({ outcome }) => outcome !== 'completed' && outcome !== 'gone');
  const [last] = ended;
  if (last === undefined || last !== failed[0]) return undefined;
  const isOften = everyMs < OFTEN_MS;
  if (isOften && failed.length < Math.max(ended.length, TURNS - 1)) return undefined;
  const what = `${isOften ? `its last ${failed.length} runs have` : 'its last run has'} not done all`;
  return `${what} (${last.outcome}${last.failure === undefined ? '' : `: ${last.failure}`})`;
}
