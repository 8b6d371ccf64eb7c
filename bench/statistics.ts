/** The statistics of the benchmark: order statistics only, since the times of a busy machine are never normal. */

/** A figure over several rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/**
 * The value below which a share of the values lies, by the nearest rank: always one of the values that were measured.
 *
 * @param share 0.5 for the median, 0.99 for the 99th percentile
 */
export function percentile(values: readonly number[], share: number): number {
  if (!(share > 0 && share <= 1)) throw new RangeError(`a percentile is in (0, 1], not ${share}`);
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.ceil(share * sorted.length) - 1];
  if (value === undefined) throw new RangeError('no values: nothing was measured');
  return value;
}

/** The median (the mean of the middle two of an even number), with the least and the greatest value. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const high = sorted[Math.ceil((sorted.length - 1) / 2)];
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (low === undefined || high === undefined || min === undefined || max === undefined) {
    throw new RangeError('no values: nothing was measured');
  }
  return { median: (low + high) / 2, min, max };
}

/**
 * The ratio of two systems, each round's figure against the same round's: what slows the machine for a while slows both.
 */
export function pairedRatio(numerators: readonly number[], denominators: readonly number[]): Spread {
  if (numerators.length !== denominators.length) throw new RangeError('ratios are taken round by round');
  return spread(numerators.map((value, round) => value / (denominators[round] ?? Number.NaN)));
}

/** The value with so many significant digits: more would pretend. */
export function significant(value: number, digits = 4): number {
  return Number(value.toPrecision(digits));
}
