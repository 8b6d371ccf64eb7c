/** Of more than so many the oldest are forgotten: they may be told of again. */
const MOST = 10_000;

/** The messages of which somebody was told that they are late, whichever connection they come by. */
export class Late {
  readonly #ids = new Set<string>();

  /** Notes one. @returns whether it is the first time */
  add(id: string): boolean {
    if (this.#ids.has(id)) return false;
    const [oldest] = this.#ids;
    if (this.#ids.size >= MOST && oldest !== undefined) this.#ids.delete(oldest);
    this.#ids.add(id);
    return true;
  }

  /** It is handled. */
  delete(id: string): void {
    this.#ids.delete(id);
  }
}
