/** How a relay delivers. */
export interface RelayRules {
  /** Between two looks at the database where nothing wakes it, in milliseconds. Default: 1,000 */
  readonly pollMs: number;
  /** Messages that are given together to a sink that takes many. Default: 200 */
  readonly batch: number;
  /** Such batches at a time. Default: 4 */
  readonly batches: number;
  /** Deliveries at a time, to a sink that takes one by one. Default: 50 */
  readonly single: number;
  /**
   * Bytes of payloads that are read at a time, about: each of the deliveries at a time has its share of it, and takes one message in
   * any case. Default: 8,000,000
   */
  readonly bytes: number;
  /** How long one delivery may take, in milliseconds. Default: 30,000 */
  readonly deliverMs: number;
  /** The pause after the first failure, in milliseconds; it doubles with each. Default: 1,000 */
  readonly backoffMs: number;
  /** The longest pause, in milliseconds. Default: 60,000 */
  readonly mostBackoffMs: number;
  /** How long a message is tried before it is a dead letter, in milliseconds from its first failure. Default: 30 minutes */
  readonly windowMs: number;
  /** And how often at least. Default: 5 */
  readonly leastAttempts: number;
}

export const defaultRelayRules: RelayRules = {
  pollMs: 1_000,
  batch: 200,
  batches: 4,
  single: 50,
  bytes: 8_000_000,
  deliverMs: 30_000,
  backoffMs: 1_000,
  mostBackoffMs: 60_000,
  windowMs: 30 * 60_000,
  leastAttempts: 5,
};

/** The pause after so many failures, in milliseconds. */
export function backoffMs({ backoffMs: first, mostBackoffMs: most }: RelayRules, failures: number): number {
  return Math.min(most, first * 2 ** Math.min(failures - 1, 30));
}
