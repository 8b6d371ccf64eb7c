import { randomUUID } from 'node:crypto';
import { type Client, WithStartWorkflowOperation } from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import {
  alarmsWorkflowId,
  DELIVER_ALARMS,
  TEST_ALARM_UPDATE,
  type Alarm,
  type TestedAlarm,
} from '../workflow/alarms.js';
import { ANSWER_MS, explained } from './server.js';
import { TimeIsOver } from './race.js';
import { untilTaken } from './updates.js';

/** A worker tries for 40 s. */
const TEST_MS = ANSWER_MS + 40_000;

/**
 * Raises an alarm of kind `test` and waits until it is delivered, or until it is known why not: three attempts, past
 * whatever waits in the queue.
 *
 * @param options the task queue whose workers deliver alarms; something must serve it
 * @throws {@link ServerUnavailable}, {@link ServerNotPrepared}
 */
export async function testAlarm(client: Client, { taskQueue }: { taskQueue: string }): Promise<TestedAlarm> {
  const alarm: Alarm = {
    id: `test/${randomUUID()}`,
    kind: 'test',
    at: Date.now(),
    message: 'a test: whoever reads this gets alarms',
  };
  const ask = () =>
    client.workflow.executeUpdateWithStart<Workflow, TestedAlarm, [Alarm]>(TEST_ALARM_UPDATE, {
      args: [alarm],
      startWorkflowOperation: new WithStartWorkflowOperation(DELIVER_ALARMS, {
        workflowId: alarmsWorkflowId(taskQueue),
        taskQueue,
        staticSummary: 'delivers alarms',
        workflowIdConflictPolicy: 'USE_EXISTING',
      }),
    });
  try {
    return await untilTaken(client, Date.now() + TEST_MS, ask);
  } catch (error) {
    if (error instanceof TimeIsOver) return { delivered: false, reason: `no worker answered in ${TEST_MS / 1000} s` };
    throw explained(client, error);
  }
}
