import { log } from '@temporalio/workflow';
import type { AlarmKind } from '../alarms.js';
import { raiseAlarm } from '../alarms-workflow.js';

/** How a machine tells people what they should know. */
export class Telling {
  readonly #id: string;
  #pending = 0;

  constructor(id: string) {
    this.#id = id;
  }

  /** Alarms that are not handed over yet. */
  get pending(): number {
    return this.#pending;
  }

  /** @param key what makes it one alarm, in whichever run it is raised */
  alarm(kind: AlarmKind, key: string, message: string): void {
    this.#pending++;
    const id = [this.#id, kind, key].join('/');
    void raiseAlarm({ id, kind, gid: this.#id, at: Date.now(), message: `${this.#id}: ${message}` }).finally(() => {
      this.#pending--;
    });
  }

  log(message: string, given: unknown): void {
    log.error(message, { given });
  }
}
