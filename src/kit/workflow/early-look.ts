import { workflowInfo, type WorkflowInternalsInterceptor } from '@temporalio/workflow';
import { getActivator } from '@temporalio/workflow/lib/global-attributes.js';
import { TOO_EARLY } from './view.js';

/**
 * Keeps a run from being looked at too early.
 *
 * A query may come to a worker that has not the run in its memory, before the workflow task that is due for what has come since the last
 * one: when the worker before was lost. To answer, the SDK replays the whole history, also what belongs to the task that is due,
 * as if it had come with the last one: at the time of that, and before the updates that wait. When the task comes the run goes on from
 * there, and does what no replay will ever do again: it fails with a nondeterminism error from then on, on every worker
 * (sdk-rust#943 and sdk-python#1591 tell of such runs).
 *
 * States of a run's copy in a worker's memory: at the end of a workflow task, where it may be looked at → told of what is due without its task:
 * spoiled. A spoiled copy is refused, which forgets it: at once, and the query fails, and who asked asks again (`TOO_EARLY`); or else
 * when its task comes, and that is tried again. The next copy is made of the history as it should be.
 *
 * How it is known: a task begins by an event of its own, with a time and the size of the history; what belongs to it comes with both.
 * - What is told of later events at the same time and size belongs to no task: refused at once.
 * - A task that was lost (its worker died in it) has left such an event, and what is due seems to belong to that. But between the beginnings of two
 *   tasks are three events at least, and one more where the first of them has done anything that is an event: from there to the task that comes
 *   are fewer, refused then. After a task whose updates were all refused there may be fewer too, as the server forgets it; nothing was due in that.
 */

/** How far a run's copy is. */
export interface Place {
  /** Events that it was told of. */
  readonly events: number;
  /** Of the history when the task began; 0: this server does not tell. */
  readonly bytes: number;
  /** When the task began, or its last local activity ended, in milliseconds since 1970. */
  readonly now: number;
}

/** From one task's beginning to the next one's: its end, and the next one's schedule and beginning. */
const LEAST_EVENTS = 3;

/** What a copy does. */
type Commands = Parameters<NonNullable<WorkflowInternalsInterceptor['concludeActivation']>>[0]['commands'];

/** What a run's copy was told, so far. Pure. */
export class Looks {
  #seen: Place;
  /** The server may forget the last task. */
  #mayBeForgotten = false;
  /** The last task has left an event, whatever it did after that. */
  #hasLeft = false;
  /** What the last task has begun, which is an event if it is not cancelled in the same task. */
  readonly #begun = new Set<string>();

  constructor(begun: Place) {
    this.#seen = begun;
  }

  /** Told before anything is done. @returns why nothing may be done, if so */
  told(place: Place): string | undefined {
    const before = this.#seen;
    const wasForgotten = this.#mayBeForgotten;
    const least = this.#hasLeft || this.#begun.size > 0 ? LEAST_EVENTS + 1 : LEAST_EVENTS;
    const more = place.events - before.events;
    this.#seen = place;
    // A look tells of nothing new; and a task may begin at the size at which the one before did, if that was one that the server could forget.
    if (more > 0 || place.bytes !== before.bytes) {
      this.#mayBeForgotten = false;
      this.#hasLeft = false;
      this.#begun.clear();
    }
    // Such a server could begin two tasks within one millisecond.
    if (place.bytes === 0 || more <= 0) return undefined;
    if (place.bytes === before.bytes) {
      // A local activity that has ended takes the time on.
      if (place.now !== before.now) return undefined;
      return `${TOO_EARLY}: look again in a moment; of what was ended from outside before that only the history tells`;
    }
    if (more >= least || wasForgotten) return undefined;
    return `it was ${TOO_EARLY}: its history is replayed, and then this is done`;
  }

  /** Told of what was done then. */
  did(commands: Commands): void {
    // A look does nothing.
    if (commands.some(({ respondToQuery }) => respondToQuery != null)) return;
    const isRefusal = ({ updateResponse }: Commands[number]) => updateResponse?.rejected != null;
    this.#mayBeForgotten = commands.length > 0 && commands.every(isRefusal);
    for (const command of commands) {
      const { updateResponse, upsertWorkflowSearchAttributes: shown } = command;
      if (shown != null || (updateResponse != null && !isRefusal(command))) this.#hasLeft = true;
      const { scheduleActivity: activity, startTimer: timer, startChildWorkflowExecution: child } = command;
      if (activity != null) this.#begun.add(`activity ${activity.seq}`);
      if (timer != null) this.#begun.add(`timer ${timer.seq}`);
      if (child != null) this.#begun.add(`child ${child.seq}`);
      const { requestCancelActivity, cancelTimer, cancelChildWorkflowExecution: cancelled } = command;
      if (requestCancelActivity != null) this.#begun.delete(`activity ${requestCancelActivity.seq}`);
      if (cancelTimer != null) this.#begun.delete(`timer ${cancelTimer.seq}`);
      if (cancelled != null) this.#begun.delete(`child ${cancelled.childWorkflowSeq}`);
    }
  }
}

/** To be called first thing by each workflow that can be looked at. */
export function refuseEarlyLooks(): void {
  const looks = new Looks(place());
  getActivator().interceptors.internals.push({
    activate(input, next) {
      // What comes at once is told in one or two parts.
      const why = input.batchIndex === 0 ? looks.told(place()) : undefined;
      if (why !== undefined) throw new Error(why);
      next(input);
    },
    concludeActivation(input, next) {
      looks.did(input.commands);
      return next(input);
    },
  });
}

function place(): Place {
  const { historyLength: events, historySize: bytes } = workflowInfo();
  return { events, bytes, now: Date.now() };
}
