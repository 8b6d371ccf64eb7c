import { differentKeys } from './difference.js';
import {
  add,
  isSame,
  keyAt,
  leadPart,
  NOTHING,
  rowsOfPart,
  sumPart,
  type Checksum,
  type KeyRange,
  type Side,
} from './side.js';

/**
 * Compares two sides range of keys by range of keys: both give the number of their rows and a checksum; where these are the same nothing
 * else is read. Where they are not, the rows of that range are read and compared, in parts if they are many. So memory does not grow
 * with the rows, and all that is well is read once.
 *
 * Each range is a statement of its own at READ COMMITTED, in each database. A snapshot that stays the same from the first range to the
 * last would hold back vacuum for as long as all takes, and there is none that several databases share. So two sides are never of one
 * moment, and what differs is only worth a second look.
 */

/** What was compared: a range of keys, or buckets. */
export interface Compared {
  /** Where to go on: behind this key, or this bucket. */
  readonly position: Position;
  /** Rows of both sides. */
  readonly rows: readonly [number, number];
  /** Keys that differ. */
  readonly keys: readonly string[];
}

/** How far a comparison has got. */
export interface Position {
  readonly after?: string;
  readonly bucket?: number;
  /** Of ranges: the last one was compared. */
  readonly isOver?: true;
}

export interface CompareOptions {
  /** Only rows since this time, in milliseconds since 1970, by what the sides say of it. */
  readonly since: number;
  /** Where to go on. Default: from the beginning */
  readonly from?: Position;
  /** Rows of a range, on the side that has most. Default: 5,000 */
  readonly chunk?: number;
}

const CHUNK = 5_000;

/** Compares two sides, each by an index of its key. */
export async function* compareRanges(
  one: Side,
  other: Side,
  { since, from, chunk = CHUNK }: CompareOptions,
): AsyncGenerator<Compared> {
  if (from?.isOver) return;
  const sums = one.sums ?? other.sums;
  const sides = [one, other] as const;
  const parts = sides.flatMap((side, of) => side.parts.map((part) => ({ part, of, isOver: false, density: 0 })));
  const range = new RangeOf(sides, { since, sums, chunk });
  let after = from?.after ?? '';
  for (;;) {
    // The part that had most in the range before says how far the next one goes: no other has much more in it.
    const leader = parts.filter(({ isOver }) => !isOver).toSorted((a, b) => b.density - a.density)[0];
    if (leader === undefined) break;
    const { checksum, last } = await leadPart(leader.part, sums, { since, after, most: chunk });
    if (last === undefined || checksum.count < chunk) {
      leader.isOver = true;
      continue;
    }
    const found = await Promise.all(
      parts.map((each) =>
        each === leader ? Promise.resolve(checksum) : sumPart(each.part, sums, since, { after, to: last }),
      ),
    );
    parts.forEach((each, place) => (each.density = found[place]?.count ?? 0));
    const totals = totalsOf(parts, found);
    yield { position: { after: last }, ...(await range.compared({ after, to: last }, totals)) };
    after = last;
  }
  const found = await Promise.all(parts.map(({ part }) => sumPart(part, sums, since, { after })));
  yield { position: { after, isOver: true }, ...(await range.compared({ after }, totalsOf(parts, found))) };
}

type Totals = readonly [Checksum, Checksum];

function totalsOf(parts: readonly { readonly of: number }[], found: readonly Checksum[]): Totals {
  const of = (side: number) => found.filter((_, place) => parts[place]?.of === side).reduce(add, NOTHING);
  return [of(0), of(1)];
}

interface RangeRules {
  readonly since: number;
  readonly sums: boolean | undefined;
  readonly chunk: number;
}

class RangeOf {
  readonly #sides: readonly [Side, Side];
  readonly #rules: RangeRules;

  constructor(sides: readonly [Side, Side], rules: RangeRules) {
    this.#sides = sides;
    this.#rules = rules;
  }

  async compared(range: KeyRange, totals: Totals): Promise<Pick<Compared, 'rows' | 'keys'>> {
    const [one, other] = totals;
    const isWell = isSame(one, other, this.#rules.sums);
    return { rows: [one.count, other.count], keys: isWell ? [] : await this.#differences(range) };
  }

  /** The keys that differ in a range that is known to have some. */
  async #differences(range: KeyRange): Promise<string[]> {
    const { since, sums, chunk } = this.#rules;
    const most = 4 * chunk;
    const [one, other] = this.#sides;
    const rowsOf = async ({ parts }: Side) =>
      (await Promise.all(parts.map((part) => rowsOfPart(part, since, range, most + 1)))).flat();
    const [ours, theirs] = await Promise.all([rowsOf(one), rowsOf(other)]);
    if (ours.length <= most && theirs.length <= most) return differentKeys(ours, theirs, sums);
    const middle = await this.#middleOf(range, most);
    const found: string[] = [];
    for (const half of [
      { ...range, to: middle },
      { ...range, after: middle },
    ]) {
      found.push(...(await this.compared(half, await this.#totalsOf(half))).keys);
    }
    return found;
  }

  async #totalsOf(range: KeyRange): Promise<Totals> {
    const { since, sums } = this.#rules;
    const [one, other] = this.#sides;
    const totalOf = async ({ parts }: Side) =>
      (await Promise.all(parts.map((part) => sumPart(part, sums, since, range)))).reduce(add, NOTHING);
    return Promise.all([totalOf(one), totalOf(other)]);
  }

  /** A key in the midst of a range that has too many rows. One key has no more rows than fit. */
  async #middleOf(range: KeyRange, most: number): Promise<string> {
    const parts = this.#sides.flatMap(({ parts }) => parts);
    // Where no part has half of what fits, all together have more: a smaller place will do.
    for (const place of [most / 2, most / 16, 0]) {
      for (const part of parts) {
        const middle = await keyAt(part, this.#rules.since, range, Math.floor(place));
        if (middle !== undefined && middle !== range.to) return middle;
      }
    }
    throw new Error(
      `a key behind '${range.after}' has more than ${most} rows: no side of a comparison may have so many`,
    );
  }
}
