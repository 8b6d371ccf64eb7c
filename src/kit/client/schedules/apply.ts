import { type Client, ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy } from '@temporalio/client';
import { ask } from '../server.js';
import { scheduleId, type ScheduledWorkflow } from './definition.js';
import { ownSchedules } from './read.js';

/** What became of a schedule. `unknown`: it is none of those that were given, and was left; `removed`: it was none of them. */
export interface AppliedSchedule {
  readonly id: string;
  readonly done: 'created' | 'updated' | 'unknown' | 'removed';
}

/** Options of {@link applySchedules}. */
export interface ApplyOptions {
  /** Removes the schedules of the task queue that are none of those that are given. What they run just then runs on. Default: false */
  readonly prune?: boolean;
}

/**
 * Creates schedules, or brings those that are there to what is given: applying again changes nothing. One run at a time; what was missed
 * while the server was down is made up for once. Whether somebody has paused one stays as it is, with who did, and why.
 *
 * The others of the task queue, as the server lists them (that follows by a moment), are told of.
 *
 * @throws RangeError for what no schedule can be, before anything is changed; ServerUnavailable, ServerNotPrepared
 */
export async function applySchedules(
  client: Client,
  taskQueue: string,
  schedules: readonly ScheduledWorkflow[],
  { prune = false }: ApplyOptions = {},
): Promise<AppliedSchedule[]> {
  const given = schedules.map((schedule) => ({ id: scheduleId(taskQueue, schedule.name), schedule }));
  const wanted = given.map(({ id, schedule }) => ({ id, options: optionsOf(id, taskQueue, schedule) }));
  const applied: AppliedSchedule[] = [];
  for (const { id, options } of wanted) {
    try {
      await ask(client, () => client.schedule.create({ scheduleId: id, ...options }));
      applied.push({ id, done: 'created' });
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      const { note } = options.state;
      await ask(client, () =>
        client.schedule
          .getHandle(id)
          .update(({ state }) => ({ ...options, state: { ...state, note: state.paused ? state.note : note } })),
      );
      applied.push({ id, done: 'updated' });
    }
  }
  const known = new Set(wanted.map(({ id }) => id));
  for (const { scheduleId: id } of await ownSchedules(client, taskQueue)) {
    if (known.has(id)) continue;
    if (prune) await remove(client, id);
    applied.push({ id, done: prune ? 'removed' : 'unknown' });
  }
  return applied;
}

async function remove(client: Client, id: string): Promise<void> {
  try {
    await ask(client, () => client.schedule.getHandle(id).delete());
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
}

function optionsOf(id: string, taskQueue: string, schedule: ScheduledWorkflow) {
  const { workflow, args = [], every, daily, jitter, catchupWindow, note } = schedule;
  const { hour = 0, minute = 0 } = daily ?? {};
  if (!isWhole(hour, 23) || !isWhole(minute, 59)) {
    throw new RangeError(
      `the schedule '${schedule.name}' is to run daily at ${hour}:${minute}: give 0 to 23, and 0 to 59`,
    );
  }
  return {
    spec: {
      ...(every === undefined ? { calendars: [{ hour, minute }], timezone: 'UTC' } : { intervals: [{ every }] }),
      ...(jitter !== undefined && { jitter }),
    },
    action: { type: 'startWorkflow' as const, workflowType: workflow, workflowId: id, taskQueue, args: [...args] },
    policies: {
      overlap: ScheduleOverlapPolicy.SKIP,
      catchupWindow: catchupWindow ?? (every === undefined ? ('12 hours' as const) : ('10 minutes' as const)),
    },
    state: { note },
  };
}

function isWhole(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}
