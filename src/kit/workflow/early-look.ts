import { workflowInfo } from '@temporalio/workflow';
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
 *   tasks are three events at least, and from there to the task that comes are fewer: refused then. After a task whose updates were all
 *   refused there may be fewer too, as the server forgets it; nothing was due in that.
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

/** What a run's copy was told, so far. Pure. */
export class Looks {
  #seen: Place;
  /** The server may forget the last task. */
  #mayBeForgotten = false;

  constructor(begun: Place) {
    this.#seen = begun;
  }

  /** Told before anything is done. @returns why nothing may be done, if so */
  told(place: Place): string | undefined {
    const before = this.#seen;
    const wasForgotten = this.#mayBeForgotten;
    this.#seen = place;
    this.#mayBeForgotten = false;
    const more = place.events - before.events;
    // Such a server could begin two tasks within one millisecond.
    if (place.bytes === 0 || more <= 0) return undefined;
    if (place.bytes === before.bytes) {
      // A local activity that has ended takes the time on.
      if (place.now !== before.now) return undefined;
      return `${TOO_EARLY}: look again in a moment; of what was ended from outside before that only the history tells`;
    }
    if (more >= LEAST_EVENTS || wasForgotten) return undefined;
    return `it was ${TOO_EARLY}: its history is replayed, and then this is done`;
  }

  /** Told of what was done: whether that was to refuse updates, and nothing else. */
  did(refusedOnly: boolean): void {
    this.#mayBeForgotten = refusedOnly;
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
      const { commands } = input;
      if (commands.every(({ respondToQuery }) => respondToQuery == null)) {
        looks.did(commands.length > 0 && commands.every(({ updateResponse }) => updateResponse?.rejected != null));
      }
      return next(input);
    },
  });
}

function place(): Place {
  const { historyLength: events, historySize: bytes } = workflowInfo();
  return { events, bytes, now: Date.now() };
}
