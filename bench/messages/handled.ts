/** Counts what was handled. A message that is handled twice is counted once. */
export class Handled {
  readonly #ids = new Set<number>();
  #waiting: { readonly count: number; readonly resolve: (at: number) => void } | undefined;

  came(id: number): void {
    this.#ids.add(id);
    if (this.#waiting === undefined || this.#ids.size < this.#waiting.count) return;
    this.#waiting.resolve(performance.now());
    this.#waiting = undefined;
  }

  /** Resolves to the time at which so many more were handled. */
  wait(more: number): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting = { count: this.#ids.size + more, resolve };
    });
  }
}
