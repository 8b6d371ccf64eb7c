import { accountOf } from './books.js';
import type { GrowthOrder } from './saga.js';

/** What is measured: points along three axes, each of which grows while the others stay as they usually are. */

/** One measurement of each lane. */
export interface Point {
  readonly steps: number;
  readonly clients: number;
  /** Sagas that are undone, in per cent. */
  readonly undone: number;
}

export const usual: Point = { steps: 3, clients: 50, undone: 10 };

/** What grows, and through which values. */
export const axes = {
  steps: [1, 3, 10, 30],
  clients: [1, 50, 500],
  undone: [0, 10, 50],
} as const satisfies Record<keyof Point, readonly number[]>;

export type AxisName = keyof typeof axes;
export const axisNames = Object.keys(axes) as AxisName[];

/** The points of an axis, in order. */
export function pointsOf(axis: AxisName): Point[] {
  return axes[axis].map((value) => ({ ...usual, [axis]: value }));
}

/** The points of several axes, each once: where axes meet they share a point. */
export function distinctPoints(wanted: readonly AxisName[]): Point[] {
  const points = wanted.flatMap(pointsOf);
  return [...new Map(points.map((point) => [keyOf(point), point])).values()];
}

/** A point's name, such as `3-50-10`. */
export function keyOf({ steps, clients, undone }: Point): string {
  return [steps, clients, undone].join('-');
}

/** A point in words. */
export function describePoint({ steps, clients, undone }: Point): string {
  return `${steps} steps, ${clients} clients, ${undone} % undone`;
}

/** Each client runs so many sagas at least: what is measured is not only how they begin and end. */
const EACH_CLIENT = 3;
/** One client alone has the machine to itself, and is still slower by about so much. */
const ALONE = 5;

/**
 * How many sagas a point takes, so that all points take about as long.
 *
 * @param sagas those of the usual point
 */
export function sagasOf({ steps, clients }: Point, sagas: number): number {
  // Beginning and ending a saga costs about as much as a step.
  const byWork = (sagas * (usual.steps + 1)) / (steps + 1) / (clients === 1 ? ALONE : 1);
  return Math.max(Math.ceil(byWork), EACH_CLIENT * clients);
}

/** The sagas of a cell; `prefix` makes their gids unique. Those that are undone are spread evenly among the others. */
export function ordersOf(prefix: string, { steps, undone }: Point, count: number): GrowthOrder[] {
  const undoneBefore = (index: number) => Math.floor((index * undone) / 100);
  return Array.from({ length: count }, (_, index) => ({
    saga: `${prefix}-${index}`,
    steps,
    account: accountOf(index),
    amount: 1 + (index % 97),
    undone: undoneBefore(index + 1) > undoneBefore(index),
  }));
}
