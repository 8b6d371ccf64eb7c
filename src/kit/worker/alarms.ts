import { createHash } from 'node:crypto';
import { activityInfo, Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import {
  ALARM_SIGNAL,
  alarmsWorkflowId,
  defaultAlarmRules,
  DELIVER_ALARM,
  DELIVER_ALARMS,
  deliveryFailure,
  RAISE_ALARM,
  type Alarm,
  type AlarmRate,
  type AlarmRules,
  type DeliveryFailedDetail,
} from '../workflow/alarms.js';
import { AlarmPost } from './alarm-post.js';
import { AlarmNotDelivered, logSink, type AlarmSink } from './alarm-sinks.js';

/** Options of {@link alarmActivities}. */
export interface AlarmActivitiesOptions {
  /** Where alarms go. Default: the worker's log */
  readonly sink?: AlarmSink;
  /** How they are delivered. Default: {@link defaultAlarmRules} */
  readonly rules?: AlarmRules;
}

/** What a worker needs to raise and to deliver alarms. */
export interface AlarmActivities {
  /** Hands an alarm to the workflow that delivers it. Other activities may call it too. */
  readonly [RAISE_ALARM]: (alarm: Alarm) => Promise<void>;
  readonly [DELIVER_ALARM]: (alarm: Alarm) => Promise<string>;
}

/** How long the server may take to accept a signal. */
const SIGNAL_MS = 10_000;

/** What an alarm may have, as it stays in a workflow's state: an id in bytes, the others in characters. */
const LONGEST = { id: 200, message: 1_000, data: 4_000 };
const KIND = /^[a-z][a-z0-9-]{0,62}$/;

/**
 * Makes the activities that raise and deliver alarms; register them in the worker whose task queue raises them, with the
 * workflow `deliverAlarms` of `backstitch/workflow`.
 *
 * @throws TypeError for rules that make no sense
 */
export function alarmActivities({ sink = logSink(), rules = {} }: AlarmActivitiesOptions = {}): AlarmActivities {
  const wrong = wrongRule(rules);
  if (wrong !== undefined) throw new TypeError(wrong);
  const post = new AlarmPost();
  return {
    [RAISE_ALARM]: (alarm) => {
      const { client } = Context.current();
      const { taskQueue } = activityInfo();
      return post.send(fitting(alarm), (alarms) => handOver({ client, taskQueue, rules }, alarms));
    },
    [DELIVER_ALARM]: (alarm) => deliver(sink, alarm),
  };
}

/** Hands alarms to the workflow that delivers them. @param to where it is, and the rules that are in force from then on */
export function handOver(
  { client, taskQueue, rules }: { readonly client: Client; readonly taskQueue: string; readonly rules: AlarmRules },
  alarms: readonly Alarm[],
): Promise<unknown> {
  return client.withDeadline(Date.now() + SIGNAL_MS, () =>
    client.workflow.signalWithStart(DELIVER_ALARMS, {
      workflowId: alarmsWorkflowId(taskQueue),
      taskQueue,
      staticSummary: 'delivers alarms',
      signal: ALARM_SIGNAL,
      signalArgs: [alarms, rules],
    }),
  );
}

async function deliver(sink: AlarmSink, alarm: Alarm): Promise<string> {
  const { log, cancellationSignal } = Context.current();
  const { namespace, taskQueue } = activityInfo();
  const source = `/backstitch/${encodeURIComponent(namespace)}/${encodeURIComponent(taskQueue)}`;
  try {
    await sink.deliver(alarm, source, cancellationSignal);
    return sink.name;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const refused = error instanceof AlarmNotDelivered && error.definite;
    // Lost for whoever should have heard of it: the log is all that is left.
    if (refused) log.error(`alarm ${alarm.id} was refused (${reason}): ${alarm.message}`, { alarm });
    else log.warn(`alarm ${alarm.id} was not delivered (${reason}); it will be tried again`);
    const retryAfterMs = error instanceof AlarmNotDelivered ? error.retryAfterMs : undefined;
    throw ApplicationFailure.create({
      type: refused ? deliveryFailure.refused : deliveryFailure.failed,
      message: reason,
      nonRetryable: refused,
      details: [{ retryAfterMs } satisfies DeliveryFailedDetail],
      // It was logged above, in one line.
      category: ApplicationFailureCategory.BENIGN,
    });
  }
}

/** The alarm as it may wait: an alarm that says too much is cut, never lost. @throws for one that is none */
function fitting(alarm: Alarm): Alarm {
  const { id, kind, at, message, data } = alarm;
  if (id === '' || !KIND.test(kind) || !Number.isFinite(new Date(at).getTime())) {
    throw ApplicationFailure.nonRetryable(
      `an alarm has id ${JSON.stringify(id)}, kind ${JSON.stringify(kind)}, at ${at}: give an id, a kind of lower-case letters, digits and hyphens, and milliseconds since 1970`,
      'InvalidAlarm',
    );
  }
  const printed = data === undefined ? '' : JSON.stringify(data);
  return {
    ...alarm,
    id: Buffer.byteLength(id) > LONGEST.id ? createHash('sha256').update(id).digest('hex') : id,
    message: message.length > LONGEST.message ? `${message.slice(0, LONGEST.message)}…` : message,
    data: printed.length > LONGEST.data ? { cut: `${printed.slice(0, LONGEST.data)}…` } : data,
  };
}

function wrongRule(rules: AlarmRules): string | undefined {
  const { rate, rates, queue, giveUpMs, historyEvents } = { ...(defaultAlarmRules as Required<AlarmRules>), ...rules };
  return (
    wrongRate('rate', rate) ??
    Object.entries(rates)
      .map(([kind, each]) => wrongRate(`rates.${kind}`, each))
      .find((wrong) => wrong !== undefined) ??
    wrongNumber('queue', queue, 1, 1_000) ??
    wrongNumber('giveUpMs', giveUpMs, 1, Number.MAX_SAFE_INTEGER) ??
    // A run begins with a few; the server's own limit comes at about 50,000.
    wrongNumber('historyEvents', historyEvents, 50, 10_000)
  );
}

function wrongRate(name: string, { most, windowMs }: AlarmRate): string | undefined {
  return (
    wrongNumber(`${name}.most`, most, 1, 1_000_000) ?? wrongNumber(`${name}.windowMs`, windowMs, 1, 30 * 86_400_000)
  );
}

function wrongNumber(name: string, value: number, min: number, max: number): string | undefined {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return undefined;
  return `rule ${name} is ${value}: give a whole number from ${min} to ${max}`;
}
