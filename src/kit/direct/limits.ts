import type { DirectLaneOptions } from './lane.js';

/** The limits of a direct lane, each set. */
export type Limits = Required<Pick<DirectLaneOptions, 'takeOverMs' | 'callMs' | 'atATime' | 'waiting'>>;

const DEFAULTS: Limits = { takeOverMs: 10_000, callMs: 2_000, atATime: 100, waiting: 10_000 };
/** A timer takes no more. */
const MOST = 2 ** 31 - 1;

/** @throws TypeError for one that makes no sense */
export function limitsOf(options: DirectLaneOptions): Limits {
  const limit = (name: keyof Limits, least: number): number => {
    const value = options[name] ?? DEFAULTS[name];
    if (Number.isSafeInteger(value) && value >= least && value <= MOST) return value;
    throw new TypeError(`${name} of directLane is ${String(value)}: give a whole number from ${least} to ${MOST}`);
  };
  return {
    takeOverMs: limit('takeOverMs', 10),
    callMs: limit('callMs', 1),
    atATime: limit('atATime', 1),
    waiting: limit('waiting', 0),
  };
}
