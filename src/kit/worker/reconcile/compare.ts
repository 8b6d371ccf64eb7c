import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { bucketsOf, compareBuckets } from '../../database/reconcile/buckets.js';
import type { Pair, PairSide } from '../../database/reconcile/pair.js';
import { compareRanges, type Compared, type Position } from '../../database/reconcile/ranges.js';
import type { Side } from '../../database/reconcile/side.js';
import type { PairCompared, PairOrder } from '../../workflow/reconcile/reconcile.js';
import { executionsSide, keptSince, type ListedAt } from './executions.js';
import { judgeKeys, NOTHING_JUDGED, together, type Judging } from './judge.js';

/** Keys that are remembered to be looked at again later. Where there are more, they are looked at again at once. */
const ROOM = 2_000;

/** How far a comparison has got: what a worker that goes on with it needs. */
interface Reached extends PairCompared {
  readonly position?: Position;
}

/** Compares both sides of a pair, from where an attempt before has got to. */
export async function comparePair(
  pair: Pair,
  { since = 0 }: PairOrder,
  judging: Judging & { readonly beat: (reached: Reached) => void },
): Promise<PairCompared> {
  const { client, beat, signal } = judging;
  const began = performance.now();
  const { taskQueue } = Context.current().info;
  const place = { client, taskQueue };
  const before = Context.current().info.heartbeatDetails as Reached | undefined;
  let reached: Reached = before ?? { ...NOTHING_JUDGED, rows: [0, 0], candidates: 0, keys: [], tookMs: 0 };
  const tookBefore = reached.tookMs;
  const from = await sinceOf(pair, since, client);
  for await (const { position, rows, keys } of comparing(pair, place, { since: from, from: reached.position })) {
    signal.throwIfAborted();
    const [ours, theirs] = reached.rows;
    reached = {
      ...reached,
      position,
      rows: [ours + rows[0], theirs + rows[1]],
      candidates: reached.candidates + keys.length,
      keys: [...reached.keys, ...keys],
      tookMs: tookBefore + Math.round(performance.now() - began),
    };
    if (reached.keys.length > ROOM) {
      reached = { ...reached, ...together(reached, await judgeKeys(pair, reached.keys, judging)), keys: [] };
    }
    beat(reached);
  }
  const { findings, drift, agreed, inFlight, left, rows, candidates, keys } = reached;
  const tookMs = tookBefore + Math.round(performance.now() - began);
  return { findings, drift, agreed, inFlight, left, rows, candidates, keys, tookMs };
}

interface From {
  readonly since: number;
  readonly from: Position | undefined;
}

function comparing({ name, sides, by }: Pair, place: ListedAt, options: From): AsyncGenerator<Compared> {
  if (by === 'buckets') {
    const [one, other] = sides.map((side) => {
      if (side === 'none') return bucketsOf({ parts: [] });
      return 'executions' in side ? executionsSide(place, side) : bucketsOf(side);
    });
    if (one !== undefined && other !== undefined) return compareBuckets(one, other, options);
  }
  const [one, other] = sides.map((side) => (side === 'none' ? { parts: [] } : side));
  if (isOfDatabases(one) && isOfDatabases(other)) return compareRanges(one, other, options);
  throw new TypeError(`the pair '${name}' has executions: they have no order by key, and are compared by buckets`);
}

function isOfDatabases(side: Exclude<PairSide, 'none'> | undefined): side is Side {
  return side !== undefined && 'parts' in side;
}

/** Since when there is anything to compare. */
async function sinceOf({ sides, notBefore }: Pair, since: number, client: Client): Promise<number> {
  const isListed = sides.some((side) => side !== 'none' && 'executions' in side);
  return Math.max(since, (await notBefore?.()) ?? 0, isListed ? await keptSince(client) : 0);
}
