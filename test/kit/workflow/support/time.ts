/** A clock that jumps to the next thing that happens. */
export class Time {
  now = 0;
  #order = 0;
  readonly #queue: { at: number; order: number; happen: () => void }[] = [];

  at(delay: number, happen: () => void): void {
    this.#queue.push({ at: this.now + delay, order: this.#order++, happen });
    this.#queue.sort((a, b) => a.at - b.at || a.order - b.order);
  }

  async pass(until: number): Promise<void> {
    for (;;) {
      await new Promise(setImmediate);
      const next = this.#queue[0];
      if (next === undefined || next.at > until) return;
      this.#queue.shift();
      this.now = next.at;
      next.happen();
    }
  }
}
