import type { Database } from '../sql.js';
import type { Side, SidePart, SideRow } from './side.js';

/** What the sides of a pair have of some keys now: what the judges of most pairs need, and all that some need. */

/** How long it may take with its connection, in milliseconds. */
const READ_MS = 60_000;

const EVER = `with since as materialized (select '-infinity'::timestamptz as at)`;

/** The values of both sides. */
export interface Both {
  readonly one: readonly string[];
  readonly other: readonly string[];
}

/** Whether both have the same values, however they are ordered; of sums, whether they add up to the same. */
export function agree({ one, other }: Both, sums = false): boolean {
  if (!sums) return one.length === other.length && one.toSorted().join('\n') === other.toSorted().join('\n');
  const total = (values: readonly string[]) => values.reduce((sum, value) => sum + BigInt(value), 0n);
  return total(one) === total(other);
}

/**
 * Reads both sides of some keys, whenever their rows were written. What a database has of both is read by one statement, and so as it was
 * at one moment: two figures of one row that moves all the time agree then, or do not.
 */
export async function readBoth(
  sides: readonly [Side, Side],
  keys: readonly string[],
): Promise<ReadonlyMap<string, Both>> {
  const byDatabase = new Map<Pick<Database, 'run'>, string[]>();
  sides.forEach(({ parts }, place) => {
    for (const part of parts) {
      byDatabase.set(part.database, [...(byDatabase.get(part.database) ?? []), selected(part, place)]);
    }
  });
  const found = await Promise.all(
    [...byDatabase].map(([database, texts]) =>
      database.run<SideRow & { side: number }>(`${EVER}\n${texts.join('\nunion all\n')}`, [keys], READ_MS),
    ),
  );
  const both = new Map(keys.map((key) => [key, { one: [] as string[], other: [] as string[] }]));
  for (const { side, key, value } of found.flat()) both.get(key)?.[side === 0 ? 'one' : 'other'].push(value);
  return both;
}

function selected({ rows }: SidePart, side: number): string {
  return `select ${side} as side, key, value::text as value from (${rows}) as side_${side} where key = any ($1)`;
}
