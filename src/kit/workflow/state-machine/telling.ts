import { log, workflowInfo } from '@temporalio/workflow';
import type { Alarm, AlarmKind } from '../alarms.js';
import { raiseAlarm } from '../alarms-workflow.js';

/** So many alarms go from run to run. */
const MOST_CARRIED = 500;

/** How a machine tells people what they should know. */
export class Telling {
  readonly #id: string;
  /** With the length of the history when each was raised. */
  readonly #pending = new Map<Alarm, number>();

  constructor(id: string) {
    this.#id = id;
  }

  /** Alarms that are not handed over yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Events of the history since the newest of them was raised; 0 where none is pending. */
  get events(): number {
    return this.pending === 0 ? 0 : workflowInfo().historyLength - Math.max(...this.#pending.values());
  }

  /** The same, for the next run, which hands them over: under their ids they are the same, if they were by then. */
  get carried(): readonly Alarm[] {
    const all = [...this.#pending.keys()];
    for (const { id, message } of all.slice(MOST_CARRIED))
      this.log(`alarm ${id} was not raised: ${message}`, undefined);
    return all.slice(0, MOST_CARRIED);
  }

  /** @param key what makes it one alarm, in whichever run it is raised */
  alarm(kind: AlarmKind, key: string, message: string): void {
    const id = [this.#id, kind, key].join('/');
    this.raise({ id, kind, gid: this.#id, at: Date.now(), message: `${this.#id}: ${message}` });
  }

  raise(alarm: Alarm): void {
    this.#pending.set(alarm, workflowInfo().historyLength);
    void raiseAlarm(alarm).finally(() => {
      this.#pending.delete(alarm);
    });
  }

  log(message: string, given: unknown): void {
    log.error(message, { given });
  }
}
