import { InvalidArgumentError } from '@commander-js/extra-typings';
import {
  InvalidInput,
  type Paused,
  type ScheduledWorkflow,
  type ScheduleRun,
  type ShownSchedule,
} from '../kit/client/index.js';
import { table } from './words.js';

/** Schedules as the command line tells of them. */

/** `reconcile=02:30`: when one that runs daily does. */
export interface DailyAt {
  readonly name: string;
  readonly hour: number;
  readonly minute: number;
}

/** Reads one more `NAME=HH:MM`. */
export function dailyAt(text: string, before: readonly DailyAt[] = []): DailyAt[] {
  const [, name, hour, minute] = /^([^=]+)=([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError('give NAME=HH:MM, such as forget=02:30, in UTC.');
  return [...before, { name, hour: Number(hour), minute: Number(minute) }];
}

/** The schedules, with those times instead of their own. @throws InvalidInput for one that is none of them, or does not run daily */
export function movedTo(schedules: readonly ScheduledWorkflow[], times: readonly DailyAt[]): ScheduledWorkflow[] {
  const daily = schedules.filter((schedule) => schedule.daily !== undefined).map(({ name }) => name);
  for (const { name } of times) {
    if (!daily.includes(name)) {
      const rule = `must be one of those that run daily: ${daily.join(', ')}`;
      throw new InvalidInput([{ field: '--at', value: name, rule }]);
    }
  }
  return schedules.map((schedule) => {
    const { hour, minute } = times.findLast(({ name }) => name === schedule.name) ?? {};
    return hour === undefined || schedule.daily === undefined ? schedule : { ...schedule, daily: { hour, minute } };
  });
}

/** One line a schedule, and below them what a person should look at. */
export function describeSchedules(schedules: readonly ShownSchedule[]): string {
  const rows = schedules.map(({ name, state, next, runs: [last], missed, skipped, isUnknown }) => [
    ...[name, isUnknown ? `${state}, unknown` : state],
    next === undefined ? '' : timeOf(next),
    last === undefined ? 'never' : `${timeOf(last.at)} ${last.outcome}`,
    ...[missed, skipped],
  ]);
  return [
    table(['schedule', 'state', 'next', 'last', 'missed', 'skipped'], rows),
    ...schedules.flatMap(({ name, paused }) => (paused === undefined ? [] : [`${name} is ${describePaused(paused)}`])),
    ...schedules.flatMap(({ name, trouble }) => (trouble === undefined ? [] : [`✗ ${name}: ${trouble}`])),
  ].join('\n');
}

export function describePaused({ actor, reason, at }: Paused): string {
  const who = actor === undefined ? '' : ` by ${actor}`;
  const since = at === undefined ? '' : ` since ${timeOf(at)}`;
  return `paused${who}${since}${reason === '' ? '' : `: ${reason}`}`;
}

export function describeRun({ workflowId, at, outcome, failure }: ScheduleRun): string {
  const why = failure === undefined ? '' : `: ${failure}`;
  return `${workflowId}, begun at ${timeOf(at)}: ${outcome}${why}`;
}

function timeOf(at: number): string {
  return new Date(at).toISOString();
}
