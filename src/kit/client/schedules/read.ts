import {
  type Client,
  ScheduleNotFoundError,
  type ScheduleDescription,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { ask } from '../server.js';
import { firstCause } from '../jobs.js';
import { pausedOf, type Paused } from './paused.js';
import { scheduleId, type ScheduledWorkflow } from './definition.js';
import { troubleOf } from './trouble.js';

/** How a run of a schedule ended, or that it has not; `gone`: the server does not have it any more. */
export type RunOutcome = 'running' | 'completed' | 'failed' | 'timed-out' | 'terminated' | 'cancelled' | 'gone';

/** A run of a schedule. */
export interface ScheduleRun {
  readonly workflowId: string;
  /** When it began, in milliseconds since 1970. */
  readonly at: number;
  readonly outcome: RunOutcome;
  /** Of one that failed: why, in one line. */
  readonly failure?: string;
}

/** A schedule as it is. Times are milliseconds since 1970. */
export interface ShownSchedule {
  readonly id: string;
  readonly name: string;
  /** `missing`: nobody has applied it yet, or somebody has removed it. */
  readonly state: 'on' | 'paused' | 'missing';
  /** It is none of those that were asked for: of another release, or somebody's own. */
  readonly isUnknown: boolean;
  readonly note: string;
  readonly paused?: Paused;
  /** When it runs next; absent: it is paused, or missing. */
  readonly next?: number;
  /** Its newest runs, up to three, the newest first. */
  readonly runs: readonly ScheduleRun[];
  /** Runs that did not happen as the server was down for too long, and as the one before had not ended. */
  readonly missed: number;
  readonly skipped: number;
  /** What a person should look at, in one line; absent: nothing. */
  readonly trouble?: string;
}

/** So many runs are looked at. */
const RUNS = 3;
const DAY_MS = 86_400_000;

/**
 * The schedules that are given, as they are, and the others of the task queue.
 *
 * @throws ServerUnavailable, ServerNotPrepared
 */
export async function listSchedules(
  client: Client,
  taskQueue: string,
  schedules: readonly ScheduledWorkflow[],
): Promise<ShownSchedule[]> {
  const shown: ShownSchedule[] = [];
  for (const { name, note } of schedules) {
    const description = await describeSchedule(client, scheduleId(taskQueue, name));
    shown.push(
      description === undefined ? missing(taskQueue, name, note) : await shownOf(client, taskQueue, description, note),
    );
  }
  const known = new Set(shown.map(({ id }) => id));
  for (const description of await ownSchedules(client, taskQueue)) {
    if (known.has(description.scheduleId)) continue;
    const note = description.state.note ?? '';
    shown.push({ ...(await shownOf(client, taskQueue, description, note)), isUnknown: true });
  }
  return shown;
}

/** All schedules whose workflows this task queue runs, whoever made them. @throws ServerUnavailable, ServerNotPrepared */
export async function ownSchedules(client: Client, taskQueue: string): Promise<ScheduleDescription[]> {
  const ids = await ask(client, async () => {
    const found: string[] = [];
    for await (const { scheduleId: id } of client.schedule.list({ pageSize: 200 })) {
      if (id.startsWith(scheduleId(taskQueue, ''))) found.push(id);
    }
    return found;
  });
  const own: ScheduleDescription[] = [];
  for (const id of ids.sort()) {
    const description = await describeSchedule(client, id);
    // Another task queue may have a longer name that begins like this one's.
    if (description?.action.taskQueue === taskQueue) own.push(description);
  }
  return own;
}

/** One schedule; undefined: there is none. @throws ServerUnavailable, ServerNotPrepared */
export async function describeSchedule(client: Client, id: string): Promise<ScheduleDescription | undefined> {
  try {
    return await ask(client, () => client.schedule.getHandle(id).describe());
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

function missing(taskQueue: string, name: string, note: string): ShownSchedule {
  const id = scheduleId(taskQueue, name);
  const trouble = 'it is not there: nobody has applied it';
  return { ...{ id, name, note, trouble }, state: 'missing', isUnknown: false, runs: [], missed: 0, skipped: 0 };
}

/** What a description says, with what became of its newest runs. */
export async function shownOf(
  client: Client,
  taskQueue: string,
  { scheduleId: id, spec, state, info }: ScheduleDescription,
  note: string,
): Promise<ShownSchedule> {
  const runs: ScheduleRun[] = [];
  for (const { takenAt, action } of info.recentActions.slice(-RUNS).reverse()) {
    runs.push(await runOf(client, action.workflow.workflowId, takenAt.getTime()));
  }
  const [next, after] = info.nextActionTimes.map((time) => time.getTime());
  const everyMs = spec.intervals?.[0]?.every ?? (next === undefined || after === undefined ? DAY_MS : after - next);
  const paused = state.paused ? pausedOf(state.note) : undefined;
  const since = runs[0]?.at ?? info.createdAt.getTime();
  const trouble = troubleOf({ runs, since, everyMs, paused, now: Date.now() });
  return {
    ...{ id, name: id.slice(scheduleId(taskQueue, '').length), note, runs },
    ...{ state: state.paused ? 'paused' : 'on', isUnknown: false },
    ...(paused !== undefined && { paused }),
    ...(next !== undefined && !state.paused && { next }),
    ...{ missed: info.numActionsMissedCatchupWindow, skipped: info.numActionsSkippedOverlap },
    ...(trouble !== undefined && { trouble }),
  };
}

const outcomes: Readonly<Record<string, RunOutcome>> = {
  RUNNING: 'running',
  PAUSED: 'running',
  COMPLETED: 'completed',
  FAILED: 'failed',
  TIMED_OUT: 'timed-out',
  TERMINATED: 'terminated',
  CANCELLED: 'cancelled',
};

/** What became of a run that a schedule has begun: each has an id of its own. */
export async function runOf(client: Client, workflowId: string, at: number): Promise<ScheduleRun> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    const { status } = await ask(client, () => handle.describe());
    const outcome = outcomes[status.name] ?? 'running';
    if (outcome !== 'failed') return { workflowId, at, outcome };
    const failure = await ask(client, () => handle.result()).then(
      () => 'it was begun again',
      (error: unknown) => firstCause(error as Error),
    );
    return { workflowId, at, outcome, failure };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { workflowId, at, outcome: 'gone' };
    throw error;
  }
}
