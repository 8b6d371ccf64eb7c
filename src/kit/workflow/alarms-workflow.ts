import { ActivityFailure, ApplicationFailure, TemporalFailure } from '@temporalio/common';
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  isCancellation,
  log,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { AlarmClock } from './alarm-clock.js';
import {
  ALARM_SIGNAL,
  ALARMS_QUERY,
  DELIVER_ALARM,
  deliveryFailure,
  RAISE_ALARM,
  TEST_ALARM_UPDATE,
  type Alarm,
  type AlarmRules,
  type AlarmsView,
  type DeliveryFailedDetail,
  type TestedAlarm,
} from './alarms.js';
import { AlarmQueue, type AlarmsState, type Waiting } from './alarms-queue.js';
import { wasNeverTried } from './calls.js';
import { refuseEarlyLooks } from './early-look.js';
import { retryProfiles } from './retry.js';

/**
 * The workflow that delivers alarms: one a task queue, begun by the first alarm (signal with start), never finished.
 *
 * It could end whenever nothing waits, as the next alarm would begin it again. It does not, for two reasons. It remembers
 * which alarms it has seen, and a memory that ends with the last delivery would forget just what a scan raises again five
 * minutes later. And an end has a moment in which an alarm or a test can arrive too late for this run and too early for
 * the next. Waiting costs nothing: with an empty queue there is no task and, once the last pause is over, no timer, and a
 * worker drops it from its cache when it needs the place.
 *
 * It continues as new when its history is long: first no delivery is begun any more, those under way are waited for (a
 * minute at most, while a worker is there), then queue, memory and counters go to the next run. Signals are taken by a
 * handler that does not wait for anything, and the server refuses to close a run that has not seen a signal: none is lost.
 */

/** One attempt, in milliseconds; a sink has to give up before. */
const ATTEMPT_MS = 60_000;
/** How often, and how long, a test alarm is tried while somebody waits for the answer. */
const TEST = { attempts: 3, limitMs: 40_000 };

/** After so long without a worker an alarm is raised anew, in milliseconds. */
const UNTAKEN_MS = 12 * 60 * 60_000;

type Deliver = Record<typeof DELIVER_ALARM, (alarm: Alarm) => Promise<string>>;

/** @param carried what the run before handed over */
export async function deliverAlarms(carried?: AlarmsState): Promise<void> {
  refuseEarlyLooks();
  const queue = new AlarmQueue(carried);
  const alarmClock = new AlarmClock(pump);
  const isLong = () => {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    return continueAsNewSuggested || historyLength >= queue.historyEvents;
  };

  function pump(): void {
    const now = Date.now();
    queue.pass(now);
    if (isLong()) return;
    for (let next = queue.take(now); next !== undefined; next = queue.take(now)) void deliver(next);
    alarmClock.set(queue.wakeAt());
  }

  async function deliver({ alarm }: Waiting): Promise<void> {
    const { [DELIVER_ALARM]: activity } = proxyActivities<Deliver>({
      startToCloseTimeout: ATTEMPT_MS,
      // The queue decides when it is tried again: an alarm that keeps failing holds no place of another.
      retry: { maximumAttempts: 1 },
      summary: `${alarm.kind} ${alarm.gid ?? ''}`.slice(0, 200),
    });
    try {
      await activity(alarm);
      queue.delivered(alarm, Date.now());
    } catch (error) {
      const { refused, retryAfterMs } = judge(error);
      if (refused) queue.refused(alarm, Date.now());
      else if (queue.failed(alarm, Date.now(), retryAfterMs)) {
        log.error(`alarm ${alarm.id} was given up: it could not be delivered in time: ${alarm.message}`, { alarm });
      }
    }
    pump();
  }

  setHandler(defineSignal<[unknown, AlarmRules?]>(ALARM_SIGNAL), (given, rules) => {
    for (const alarm of Array.isArray(given) ? (given as unknown[]) : [given]) {
      // Anybody may send a signal: one that is no alarm must not stop those that are.
      if (isAlarm(alarm)) queue.accept(alarm, rules ?? {}, Date.now());
      else log.error('a signal that is no alarm was ignored', { alarm });
    }
    pump();
  });
  setHandler(defineQuery<AlarmsView>(ALARMS_QUERY), () => queue.view());
  setHandler(defineUpdate<TestedAlarm, [Alarm]>(TEST_ALARM_UPDATE), async (alarm) => {
    const { [DELIVER_ALARM]: activity } = proxyActivities<Deliver>({
      startToCloseTimeout: TEST.limitMs,
      scheduleToCloseTimeout: TEST.limitMs,
      retry: { initialInterval: 500, maximumAttempts: TEST.attempts },
    });
    try {
      const to = await activity(alarm);
      queue.answered(Date.now());
      pump();
      return { delivered: true, to };
    } catch (error) {
      return { delivered: false, reason: judge(error).reason };
    }
  });

  pump();
  try {
    await condition(() => isLong() && queue.under === 0 && allHandlersFinished());
  } catch (error) {
    // An operator's way to drop what waits.
    if (isCancellation(error)) log.error(`cancelled: ${queue.waiting} alarms were not delivered`);
    throw error;
  }
  await continueAsNew<typeof deliverAlarms>(queue.state());
}

/**
 * Raises an alarm, from a transaction: hands it over, and resolves when that is done. Never rejects, and nobody has to
 * wait for it; only a transaction that is about to end does, as what it has asked for ends with it.
 */
export function raiseAlarm(alarm: Alarm): Promise<void> {
  return handOver(alarm, UNTAKEN_MS);
}

/** As {@link raiseAlarm}; what no worker has taken for `untakenMs` milliseconds is asked again, for as long as it takes. */
export async function handOver(alarm: Alarm, untakenMs: number): Promise<void> {
  const { startToCloseMs, retry } = retryProfiles.forward;
  const { [RAISE_ALARM]: raise } = proxyActivities<Record<typeof RAISE_ALARM, (alarm: Alarm) => Promise<void>>>({
    startToCloseTimeout: startToCloseMs,
    // Longer than any outage of the server, which would count.
    scheduleToCloseTimeout: '24 hours',
    // Well below it: of an alarm that nobody could try the time is not over.
    scheduleToStartTimeout: untakenMs,
    retry,
    summary: `alarm: ${alarm.kind}`,
  });
  for (;;) {
    try {
      await CancellationScope.nonCancellable(() => raise(alarm));
      return;
    } catch (error) {
      if (wasNeverTried(error)) continue;
      if (!(error instanceof TemporalFailure)) throw error;
      log.error(`alarm ${alarm.id} was not raised (${judge(error).reason}): ${alarm.message}`, { alarm });
      return;
    }
  }
}

function isAlarm(given: unknown): given is Alarm {
  const { id, kind } = (given ?? {}) as Partial<Alarm>;
  return typeof id === 'string' && typeof kind === 'string';
}

/** Says what a delivery that failed means. @throws the error itself if it is a defect of this code */
function judge(error: unknown): { refused: boolean; reason: string; retryAfterMs?: number } {
  if (!(error instanceof TemporalFailure)) throw error;
  const cause = error instanceof ActivityFailure ? (error.cause ?? error) : error;
  if (!(cause instanceof ApplicationFailure)) return { refused: false, reason: `no answer: ${cause.message}` };
  const detail = cause.details?.[0] as DeliveryFailedDetail | undefined;
  const { type, message: reason } = cause;
  return { refused: type === deliveryFailure.refused, reason, retryAfterMs: detail?.retryAfterMs };
}
