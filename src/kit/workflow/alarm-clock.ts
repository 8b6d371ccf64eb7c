import { sleep } from '@temporalio/workflow';

/**
 * Rings at the times that it is set to, and perhaps at others: what it was set to before is not cancelled. To wake for
 * nothing costs less than a cancelled timer, and is rare; once nothing waits, the last one has soon rung.
 */
export class AlarmClock {
  readonly #ring: () => void;
  /** The times of the timers that run. */
  readonly #set = new Set<number>();

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** @param at milliseconds since 1970; nothing when it is `undefined` */
  set(at: number | undefined): void {
    if (at === undefined || Math.min(...this.#set) <= at) return;
    this.#set.add(at);
    sleep(Math.max(1, at - Date.now())).then(
      () => {
        this.#set.delete(at);
        this.#ring();
      },
      () => undefined, // The workflow was cancelled.
    );
  }
}
