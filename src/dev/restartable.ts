import type { Child } from './child.js';

/**
 * A server that can be taken down and brought up again, on the same port and with the same data: as often as wanted, one
 * after the other, each call waiting for those before it.
 */
export class Restartable {
  readonly #again: () => Promise<Child>;
  #child: Child | undefined;
  #stopped = false;
  #last: Promise<void> = Promise.resolve();

  /**
   * @param child the server, running
   * @param again starts it as it was started
   */
  constructor(child: Child, again: () => Promise<Child>) {
    this.#child = child;
    this.#again = again;
  }

  /**
   * Ends the server, and waits until it is gone; that is not reported as a death. Does nothing if it is down.
   *
   * @param signal what ends it. Default: what asks it to stop in order
   */
  down(signal?: NodeJS.Signals): Promise<void> {
    return this.#next(async () => {
      await this.#child?.stop(signal);
      this.#child = undefined;
    });
  }

  /**
   * Starts the server, and waits until it can be used. Does nothing if it is up.
   *
   * @throws with its last lines if it cannot be started; one line if it was stopped for good
   */
  up(): Promise<void> {
    return this.#next(async () => {
      if (this.#stopped) throw new Error('a server that was stopped for good is not started again');
      this.#child ??= await this.#again();
    });
  }

  /** Stops the server for good. */
  stop(): Promise<void> {
    this.#stopped = true;
    return this.down();
  }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined); // Whoever asked hears of it.
    return done;
  }
}
