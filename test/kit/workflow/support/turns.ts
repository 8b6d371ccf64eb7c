/** Whoever waits for a turn. */
export class Turns {
  readonly trace: string[] = [];
  #pending: { readonly label: string; readonly go: () => void }[] = [];

  turn(label: string): Promise<void> {
    return new Promise((go) => this.#pending.push({ label, go }));
  }

  async run(choices: readonly number[]): Promise<void> {
    for (let count = 0; ; count++) {
      // All that follows by itself from the last turn.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#pending.length === 0) return;
      if (count > 10_000) throw new Error(`it never ends: ${this.trace.slice(-20).join('; ')}`);
      const [next] = this.#pending.splice((choices[count] ?? 0) % this.#pending.length, 1);
      this.trace.push(next?.label ?? '');
      next?.go();
    }
  }
}
