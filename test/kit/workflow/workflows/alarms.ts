import { raiseAlarm, type Alarm } from '../../../../src/kit/workflow/index.js';

export { deliverAlarms } from '../../../../src/kit/workflow/index.js';

/** A transaction that raises alarms, one after the other. */
export async function raising(alarms: readonly Alarm[]): Promise<void> {
  for (const alarm of alarms) await raiseAlarm(alarm);
}
