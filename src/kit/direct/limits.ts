import type { DirectOrder } from '../client/direct.js';
import { isStorable } from '../database/guard/json.js';
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

/**
 * What a Temporal server takes by default: characters of a workflow's id, bytes of its summary and details as JSON; and of all
 * that it is started with, where each part may have 2 MB.
 */
const SERVER = { gid: 1_000, summary: 400, details: 20_000, start: 1_500_000 } as const;

/**
 * Why no workflow could take this transaction over, if so: then it must not begin here.
 *
 * @param text the start as JSON
 */
export function beyondServer({ gid, start }: DirectOrder, text: string): Error | undefined {
  const { summary = '', details = '' } = start;
  if (!isStorable(text))
    return new Error('its input or its summary holds a zero character or half of a surrogate pair');
  // A character takes three bytes at most.
  if (text.length * 3 > SERVER.start && Buffer.byteLength(text) > SERVER.start) {
    return new Error(`what starts its workflow has more than ${SERVER.start} bytes`);
  }
  if (gid.length > SERVER.gid) return new Error(`its gid has ${gid.length} characters`);
  for (const [name, text] of [
    ['summary', summary],
    ['details', details],
  ] as const) {
    // As JSON a character takes six bytes at most.
    if (text.length * 6 <= SERVER[name] - 2) continue;
    const bytes = Buffer.byteLength(JSON.stringify(text));
    if (bytes > SERVER[name]) return new Error(`its ${name} has ${bytes} bytes`);
  }
  return undefined;
}
