import { handOver } from '../../../../src/kit/workflow/alarms-workflow.js';
import { raiseAlarm, type Alarm } from '../../../../src/kit/workflow/index.js';

export { deliverAlarms } from '../../../../src/kit/workflow/index.js';

/** A transaction that raises alarms, one after the other. */
export async function raising(alarms: readonly Alarm[]): Promise<void> {
  for (const alarm of alarms) await raiseAlarm(alarm);
}

/** A transaction that raises an alarm, and asks again when no worker has taken it for a second. */
export async function raisingAgain(alarm: Alarm): Promise<void> {
  await handOver(alarm, 1_000);
}
