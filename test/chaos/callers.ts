import type { ChildProcess } from 'node:child_process';
import type { Asked, Reply, Told } from './caller-protocol.js';
import type { Crew } from './crew.js';
import { callers } from './faults.js';

/** The processes that call for the customers: killed and frozen by the schedule of faults, and replaced as workers are. */
export class Callers {
  readonly #crew: Crew;
  /** What each program was asked, and has not answered. */
  readonly #waiting = new Map<ChildProcess, Map<number, (told: Told) => void>>();
  #last = 0;

  constructor(crew: Crew) {
    this.#crew = crew;
  }

  /**
   * Lets a caller run a transaction; another one for another `attempt`.
   *
   * @returns what it was told; `again` if the process ended before
   */
  async ask(asked: Omit<Asked, 'id'>, attempt: number): Promise<Told> {
    const name = callers[attempt % callers.length] ?? callers[0];
    const program = await this.#crew.serving(name);
    const { child } = program;
    const waiting = this.#waiting.get(child) ?? this.#listen(child);
    const id = ++this.#last;
    return new Promise((resolve) => {
      waiting.set(id, resolve);
      child.send({ id, ...asked } satisfies Asked, () => undefined);
      void program.ended.then((how) => {
        resolve({ told: 'again', reason: `the process was ended (${how})` });
      });
    });
  }

  #listen(child: ChildProcess): Map<number, (told: Told) => void> {
    const waiting = new Map<number, (told: Told) => void>();
    this.#waiting.set(child, waiting);
    child.on('message', ({ id, ...told }: Reply) => {
      waiting.get(id)?.(told);
      waiting.delete(id);
    });
    return waiting;
  }
}
