import { proxyActivities } from '@temporalio/workflow';

/** What an alarm is about. */
export type AlarmKind = 'stuck' | 'deadline-near' | 'desk-case-old' | 'orphan';

/** Something that a person should hear of. */
export interface Alarm {
  /** The same alarm has the same id, however often it is raised. */
  readonly id: string;
  readonly kind: AlarmKind;
  readonly gid: string;
  readonly branch?: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** One line for a person. */
  readonly message: string;
}

const activities = proxyActivities<{ 'backstitch.raiseAlarm': (alarm: Alarm) => Promise<void> }>({
  startToCloseTimeout: '10 seconds',
  scheduleToCloseTimeout: '1 day',
  retry: { initialInterval: '1 second', maximumInterval: '5 minutes' },
});

/** Raises an alarm, through the worker's activity. Nothing should wait for it. */
export function raiseAlarm(alarm: Alarm): Promise<void> {
  return activities['backstitch.raiseAlarm'](alarm);
}
