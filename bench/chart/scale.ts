/** Scales of a chart: from a value to a place, and the ticks between. */

/** How a chart's axis places its values. */
export interface Axis {
  readonly label: string;
  /** A logarithmic axis has no place for 0 and below. */
  readonly scale: 'log' | 'linear';
  /** The values that get a tick. Default: round ones, as many as fit. */
  readonly ticks?: readonly number[];
}

/** An axis with the range that it shows. */
export interface Scale {
  readonly ticks: readonly number[];
  /** Where a value is: 0 at the lower end of the range, 1 at the upper. */
  readonly at: (value: number) => number;
}

/** Steps of a decade, from fine to coarse: those that leave few enough ticks are taken. */
const DECADES = [[1, 2, 5], [1, 3], [1]] as const;
const MOST_TICKS = 9;

/**
 * The scale that shows all values. With an axis's own ticks it reaches from the least of all to the greatest; without, to
 * the next round values.
 *
 * @throws a RangeError without any value, or where a logarithmic axis should show 0 or less
 */
export function scaleOf(axis: Axis, values: readonly number[]): Scale {
  const all = [...values, ...(axis.ticks ?? [])];
  const [least, most] = [Math.min(...all), Math.max(...all)];
  if (!Number.isFinite(least) || !Number.isFinite(most)) throw new RangeError(`${axis.label}: nothing to show`);
  if (axis.scale === 'log' && least <= 0)
    throw new RangeError(`${axis.label}: a logarithmic axis cannot show ${least}`);
  const ticks = axis.ticks ?? (axis.scale === 'log' ? logTicks(least, most) : linearTicks(least, most));
  const place = axis.scale === 'log' ? Math.log : (value: number) => value;
  const from = place(Math.min(least, ...ticks));
  const to = place(Math.max(most, ...ticks));
  return { ticks, at: (value) => (to === from ? 0.5 : (place(value) - from) / (to - from)) };
}

/** Round values from the one at or below the least to the one at or above the greatest. */
function logTicks(least: number, most: number): number[] {
  const candidates = DECADES.map((steps) => {
    const round: number[] = [];
    for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++) {
      for (const step of steps) round.push(Number(`${step}e${power}`));
    }
    const from = round.findLastIndex((value) => value <= least);
    const to = round.findIndex((value) => value >= most);
    return round.slice(from, to + 1);
  });
  return candidates.find((ticks) => ticks.length <= MOST_TICKS) ?? candidates.at(-1) ?? [];
}

function linearTicks(least: number, most: number): number[] {
  const rough = (most - least || 1) / (MOST_TICKS - 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((each) => each * power >= rough) ?? 10);
  const from = Math.floor(least / step);
  const count = Math.ceil(most / step) - from + 1;
  return Array.from({ length: count }, (_, index) => Number(((from + index) * step).toPrecision(12)));
}
