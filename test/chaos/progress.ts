/** How many transactions have ended, for those who wait for a certain number of them. */
export class Progress {
  readonly total: number;
  #ended = 0;
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  constructor(total: number) {
    this.total = total;
  }

  get ended(): number {
    return this.#ended;
  }

  step(): void {
    this.#ended += 1;
    const reached = this.#waiting.filter(({ count }) => this.#ended >= count);
    this.#waiting = this.#waiting.filter(({ count }) => this.#ended < count);
    for (const { resolve } of reached) resolve();
  }

  /** Waits until so many have ended, or the time is over; says which it was. */
  async reached(count: number, orAfterMs: number): Promise<'progress' | 'time'> {
    if (this.#ended >= count) return 'progress';
    let timer: NodeJS.Timeout | undefined;
    const time = new Promise<'time'>((resolve) => {
      timer = setTimeout(resolve, orAfterMs, 'time');
    });
    const progress = new Promise<'progress'>((resolve) => {
      this.#waiting.push({
        count,
        resolve: () => {
          resolve('progress');
        },
      });
    });
    return Promise.race([progress, time]).finally(() => {
      clearTimeout(timer);
    });
  }
}
