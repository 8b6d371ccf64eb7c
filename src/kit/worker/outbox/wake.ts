/** What a relay waits by: it is rung when something may have changed. A ring while nobody waits is not lost. */
export class Wake {
  #rung = false;
  #waiting: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#waiting?.();
  }

  /** Waits until it is rung, for so long at most. @returns whether it was */
  async wait(ms: number, signal?: AbortSignal): Promise<boolean> {
    if (!this.#rung && signal?.aborted !== true) {
      await new Promise<void>((resolve) => {
        const end = () => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', end);
          this.#waiting = undefined;
          resolve();
        };
        const timer = setTimeout(end, Math.min(ms, 2 ** 31 - 1));
        signal?.addEventListener('abort', end, { once: true });
        this.#waiting = end;
      });
    }
    const rung = this.#rung;
    this.#rung = false;
    return rung;
  }

  /** Waits for so long, whoever rings. */
  async pause(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener('abort', end, { once: true });
    });
  }
}
