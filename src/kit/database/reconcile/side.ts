import type { Database } from '../sql.js';

/**
 * One side of a comparison, as SQL.
 *
 * A side is rows of a key and a value. Both are text that any database writes alike: names and whole numbers; no floats, and no times,
 * whose text depends on settings and precision. Keys are compared by the databases only, and always by the collation "C": a program's
 * order of strings is another one.
 */

/** What one database has of a side. */
export interface SidePart {
  readonly database: Pick<Database, 'run'>;
  /**
   * A query of `key` and `value`, both text and not null; of a side of sums `value` is a whole number. `(select at from since)` is the time
   * from which on rows are wanted. Read by ranges it has an index by the key, with the collation "C".
   */
  readonly rows: string;
}

/** A side: its rows may be in several databases. */
export interface Side {
  readonly parts: readonly SidePart[];
  /** The values of a key are added up, over all parts: a key of 0 is none. Default: each row counts, however often it is there. */
  readonly sums?: boolean;
}

/** A row as it is read. */
export interface SideRow {
  readonly key: string;
  readonly value: string;
}

/** How many rows, and the sum of what is drawn from each: it does not depend on their order. */
export interface Checksum {
  readonly count: number;
  readonly sum: bigint;
}

/** From behind a key up to another one, and that too; without `to`: to the end. */
export interface KeyRange {
  readonly after: string;
  readonly to?: string;
}

/** 64 bits of a text, the same in every database and in programs: CRC32 has let differences pass elsewhere. */
const hashOf = (text: string) => `('x' || left(md5(${text}), 16))::bit(64)::bigint`;
const ROW_HASH = hashOf(`key || E'\\x1f' || value`);
/** Of sums it is linear: what one row has more, another one of the same key may have less. */
const SUM_HASH = `(${hashOf('key')})::numeric * value::numeric`;
const hashBy = (sums: boolean | undefined) => (sums ? SUM_HASH : ROW_HASH);

/** `$1`: milliseconds since 1970. A query that does not ask for it is one all the same. */
const SINCE = 'with since as materialized (select to_timestamp($1::float8 / 1000) as at)';
/** `$2`: behind this key. */
const BEHIND = 'key collate "C" > $2';
const withinOf = ({ to }: KeyRange) => `${BEHIND}${to === undefined ? '' : ' and key collate "C" <= $3'}`;
const valuesOf = (since: number, { after, to }: KeyRange) => [since, after, ...(to === undefined ? [] : [to])];

interface SumRow {
  count: string;
  sum: string;
}

const asChecksum = (row: SumRow | undefined): Checksum => ({
  count: Number(row?.count ?? 0),
  sum: BigInt(row?.sum ?? 0),
});

/** Nothing at all. */
export const NOTHING: Checksum = { count: 0, sum: 0n };

export function add(one: Checksum, other: Checksum): Checksum {
  return { count: one.count + other.count, sum: one.sum + other.sum };
}

/** Whether two checksums may be of the same rows. Of sums the number of rows says nothing. */
export function isSame(one: Checksum, other: Checksum, sums: boolean | undefined): boolean {
  return one.sum === other.sum && (sums === true || one.count === other.count);
}

/** How long a statement of a chunk may take with its connection, in milliseconds. */
const CHUNK_MS = 60_000;

/** The checksum of the next `most` rows behind a key, those of the last key all of them, and that key; without one: there is none. */
export async function leadPart(
  { database, rows }: SidePart,
  sums: boolean | undefined,
  { since, after, most }: { readonly since: number; readonly after: string; readonly most: number },
): Promise<{ readonly checksum: Checksum; readonly last?: string }> {
  const text = `${SINCE}
select count(*) as count, coalesce(sum(${hashBy(sums)}), 0)::text as sum, max(key collate "C") as last from (
  select key, value from (${rows}) as side where ${BEHIND} order by key collate "C" fetch first ($3::int) rows with ties
) as chunk`;
  const [row] = await database.run<SumRow & { last: string | null }>(text, [since, after, most], CHUNK_MS);
  return { checksum: asChecksum(row), ...(row?.last != null && { last: row.last }) };
}

/** The checksum of a range. */
export async function sumPart(
  { database, rows }: SidePart,
  sums: boolean | undefined,
  since: number,
  range: KeyRange,
): Promise<Checksum> {
  const text = `${SINCE}
select count(*) as count, coalesce(sum(${hashBy(sums)}), 0)::text as sum from (${rows}) as side where ${withinOf(range)}`;
  const [row] = await database.run<SumRow>(text, valuesOf(since, range), CHUNK_MS);
  return asChecksum(row);
}

/** The rows of a range, at most `most`. */
export function rowsOfPart(
  { database, rows }: SidePart,
  since: number,
  range: KeyRange,
  most: number,
): Promise<SideRow[]> {
  const text = `${SINCE}
select key, value::text as value from (${rows}) as side where ${withinOf(range)} order by key collate "C" limit ${most}`;
  return database.run<SideRow>(text, valuesOf(since, range), CHUNK_MS);
}

/** The key of a place in a range, from 0 on; none behind its end. */
export async function keyAt(
  { database, rows }: SidePart,
  since: number,
  range: KeyRange,
  place: number,
): Promise<string | undefined> {
  const text = `${SINCE}
select key from (${rows}) as side where ${withinOf(range)} order by key collate "C" offset ${place} limit 1`;
  const [row] = await database.run<{ key: string }>(text, valuesOf(since, range), CHUNK_MS);
  return row?.key;
}

/** Rows are in one of 4,096 buckets, by a hash of their key. */
const BUCKET = `('x' || left(md5(key), 3))::bit(12)::int`;

/** How long one look at all rows may take, in milliseconds. */
const ALL_MS = 10 * 60_000;

/** The checksums of all buckets that have a row, by one look at all rows. */
export async function sumBuckets(
  { database, rows }: SidePart,
  sums: boolean | undefined,
  since: number,
): Promise<Map<number, Checksum>> {
  const text = `${SINCE}
select ${BUCKET} as bucket, count(*) as count, coalesce(sum(${hashBy(sums)}), 0)::text as sum from (${rows}) as side group by 1`;
  const found = await database.run<SumRow & { bucket: number }>(text, [since], ALL_MS);
  return new Map(found.map((row) => [row.bucket, asChecksum(row)]));
}

/** The rows of some buckets, at most `most`. */
export function rowsOfBuckets(
  { database, rows }: SidePart,
  since: number,
  buckets: readonly number[],
  most: number,
): Promise<SideRow[]> {
  const text = `${SINCE}
select key, value::text as value from (${rows}) as side where ${BUCKET} = any ($2::int[]) limit ${most}`;
  return database.run<SideRow>(text, [since, buckets], ALL_MS);
}
