/** Times and counts of a state table; milliseconds. */
export interface StateLimits {
  /** How often the caller asks an operation again that has failed. Default: 3 */
  readonly retries: number;
  /** What it waits before each of them; the last counts for further ones. Default: 200, 1,000, 5,000 */
  readonly backoffMs: readonly number[];
  /** How long one attempt of an operation may take. Default: 10,000 */
  readonly attemptMs: number;
  /** How long a statement of the table itself may take with its connection. Default: 5,000 */
  readonly statementMs: number;
  /** When a row that has not ended is due for the scan, and from then on from round to round. Default: 30,000 */
  readonly scanAfterMs: number;
  /** How long the caller calls at most; then it answers `pending`. It is over before the scan begins. Default: 25,000 */
  readonly callerMs: number;
  /**
   * How long it is tried at most to bar an operation that a person has done outside, or leaves: then the decision stands by itself,
   * and says so. Default: 60,000
   */
  readonly barMs: number;
  /** Rounds of the scan after which it is an error. Default: 10 */
  readonly rounds: number;
}

const defaults: StateLimits = {
  retries: 3,
  backoffMs: [200, 1_000, 5_000],
  attemptMs: 10_000,
  statementMs: 5_000,
  scanAfterMs: 30_000,
  callerMs: 25_000,
  barMs: 60_000,
  rounds: 10,
};

/** @throws a RangeError that names what makes no sense */
export function limitsOf(given: Partial<StateLimits>): StateLimits {
  const chosen = Object.entries(given as Record<string, unknown>).filter(([, value]) => value !== undefined);
  const scanAfterMs = given.scanAfterMs ?? defaults.scanAfterMs;
  const limits = { ...defaults, callerMs: Math.ceil((scanAfterMs * 5) / 6), ...Object.fromEntries(chosen) };
  const wrong = (name: string, rule: string) => new RangeError(`${name} of a state table must be ${rule}`);
  for (const name of ['attemptMs', 'statementMs', 'scanAfterMs', 'callerMs', 'barMs', 'rounds'] as const) {
    if (!Number.isSafeInteger(limits[name]) || limits[name] < 1) throw wrong(name, 'a whole number, 1 at least');
  }
  if (!Number.isSafeInteger(limits.retries) || limits.retries < 0) throw wrong('retries', 'a whole number, 0 at least');
  if (limits.retries > 0 && limits.backoffMs.length === 0) throw wrong('backoffMs', 'one number at least');
  return limits;
}
