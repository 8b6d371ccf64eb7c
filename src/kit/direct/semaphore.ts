/** Lets so many in at a time; others wait in their order. */
export class Semaphore {
  readonly #atATime: number;
  readonly #most: number;
  #inside = 0;
  readonly #waiting: (() => void)[] = [];

  /** @param most that may wait */
  constructor(atATime: number, most: number) {
    this.#atATime = atATime;
    this.#most = most;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whether one more may neither come in nor wait. */
  get isFull(): boolean {
    return this.#inside >= this.#atATime && this.#waiting.length >= this.#most;
  }

  /** Comes in at once, or resolves when the turn has come. */
  enter(): Promise<void> | undefined {
    if (this.#inside < this.#atATime) {
      this.#inside++;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Leaves, for the next one. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#inside--;
    else next();
  }
}
