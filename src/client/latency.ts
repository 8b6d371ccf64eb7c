/** Each bucket is 2 % wider than the one before: that is how exact a quantile is. */
const GROWTH = Math.log(1.02);
const BUCKETS = 1_200; // up to hours

/** Latencies in memory that does not grow with their number. */
export class Latencies {
  readonly #counts = new Uint32Array(BUCKETS);
  #count = 0;
  #max = 0;

  record(ms: number): void {
    const bucket = Math.min(BUCKETS - 1, Math.floor(Math.log(Math.max(1, ms)) / GROWTH));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#max = Math.max(this.#max, ms);
  }

  /** In milliseconds, rounded; 0 when nothing was recorded. */
  quantile(q: number): number {
    let left = Math.ceil(this.#count * q);
    if (left === 0) return 0;
    const bucket = this.#counts.findIndex((count) => (left -= count) <= 0);
    return Math.min(Math.round(Math.exp((bucket + 0.5) * GROWTH)), Math.round(this.#max));
  }

  get max(): number {
    return Math.round(this.#max);
  }
}
