import { createHash } from 'node:crypto';
import { differentKeys } from './difference.js';
import type { Compared, CompareOptions } from './ranges.js';
import { add, isSame, NOTHING, rowsOfBuckets, sumBuckets, type Checksum, type Side, type SideRow } from './side.js';

/**
 * Compares two sides that have no common order: each row is in one of 4,096 buckets, by a hash of its key. Both sides give a checksum for
 * each bucket, by one look at all their rows; of those that differ the rows are read by further looks, as many buckets in each as there
 * is room for. For what has no index by the key, what is grouped, and what no database can order: what a server lists page by page.
 */

/** A side that is read in whatever order. */
export interface AnySide {
  readonly sums?: boolean;
  readonly totals: (since: number) => Promise<ReadonlyMap<number, Checksum>>;
  /** The rows of some buckets. */
  readonly rowsOf: (since: number, buckets: readonly number[]) => Promise<readonly SideRow[]>;
}

/** Rows of a side that are held at a time. */
const ROOM = 20_000;

/** A side that databases have. */
export function bucketsOf({ parts, sums }: Side): AnySide {
  return {
    sums,
    async totals(since) {
      const all = new Map<number, Checksum>();
      for (const found of await Promise.all(parts.map((part) => sumBuckets(part, sums, since)))) {
        for (const [bucket, checksum] of found) all.set(bucket, add(all.get(bucket) ?? NOTHING, checksum));
      }
      return all;
    },
    rowsOf: async (since, buckets) =>
      (await Promise.all(parts.map((part) => rowsOfBuckets(part, since, buckets, 8 * ROOM)))).flat(),
  };
}

/** A side that is listed anew each time, row by row. */
export function listedSide(list: (since: number) => AsyncIterable<SideRow>): AnySide {
  return {
    async totals(since) {
      const all = new Map<number, Checksum>();
      for await (const row of list(since)) {
        const bucket = bucketOf(row.key);
        all.set(bucket, add(all.get(bucket) ?? NOTHING, { count: 1, sum: hashOf(row) }));
      }
      return all;
    },
    async rowsOf(since, buckets) {
      const wanted = new Set(buckets);
      const rows: SideRow[] = [];
      for await (const row of list(since)) if (wanted.has(bucketOf(row.key)) && rows.length < 8 * ROOM) rows.push(row);
      return rows;
    },
  };
}

/** As the databases draw it. */
function bucketOf(key: string): number {
  return Number.parseInt(md5(key).slice(0, 3), 16);
}

function hashOf({ key, value }: SideRow): bigint {
  return BigInt.asIntN(64, BigInt(`0x${md5(`${key}\x1f${value}`).slice(0, 16)}`));
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

/** Compares two sides by buckets. */
export async function* compareBuckets(
  one: AnySide,
  other: AnySide,
  { since, from }: Pick<CompareOptions, 'since' | 'from'>,
): AsyncGenerator<Compared> {
  const sums = one.sums ?? other.sums;
  const [ours, theirs] = await Promise.all([one.totals(since), other.totals(since)]);
  const countOf = (found: ReadonlyMap<number, Checksum>) => [...found.values()].reduce(add, NOTHING).count;
  const done = from?.bucket ?? -1;
  // Whoever goes on has told of the rows before.
  if (from?.bucket === undefined) yield { position: { bucket: -1 }, rows: [countOf(ours), countOf(theirs)], keys: [] };
  const different = [...new Set([...ours.keys(), ...theirs.keys()])]
    .filter((bucket) => bucket > done)
    .filter((bucket) => !isSame(ours.get(bucket) ?? NOTHING, theirs.get(bucket) ?? NOTHING, sums))
    .toSorted((a, b) => a - b);
  const roomOf = (bucket: number) => Math.max(ours.get(bucket)?.count ?? 0, theirs.get(bucket)?.count ?? 0);
  for (const buckets of grouped(different, roomOf)) {
    const [rows, others] = await Promise.all([one.rowsOf(since, buckets), other.rowsOf(since, buckets)]);
    yield { position: { bucket: buckets.at(-1) }, rows: [0, 0], keys: differentKeys(rows, others, sums) };
  }
}

/** As many at a time as there is room for, one at least. */
function* grouped(buckets: readonly number[], roomOf: (bucket: number) => number): Generator<number[]> {
  let group: number[] = [];
  let room = 0;
  for (const bucket of buckets) {
    if (group.length > 0 && room + roomOf(bucket) > ROOM) {
      yield group;
      [group, room] = [[], 0];
    }
    group.push(bucket);
    room += roomOf(bucket);
  }
  if (group.length > 0) yield group;
}
