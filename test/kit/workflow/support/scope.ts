/** What is cancelled together: a scope, and those within it. */
export class Scope {
  cancelled = false;
  readonly #listeners = new Set<() => void>();
  constructor(parent?: Scope) {
    parent?.onCancel(() => {
      this.cancel();
    });
  }
  cancel(): void {
    this.cancelled = true;
    for (const listener of this.#listeners) listener();
  }
  onCancel(listener: () => void): () => void {
    if (this.cancelled) listener();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
