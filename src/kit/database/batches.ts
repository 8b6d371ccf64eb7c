import type { Database } from './sql.js';

/** How long a statement of retention may take, in milliseconds. */
export const FORGET_MS = 60_000;

/** What is removed, and how much of it at once. */
export interface Removal {
  /** A whole number, 1 at least. */
  readonly olderThanDays: number;
  /** Rows removed by one statement, about. */
  readonly batch: number;
  /** Called after each batch that was not the last, with how many rows it had: what it resolves to says whether to go on. Default: true */
  readonly onBatch?: (removed: number) => Promise<boolean>;
}

/** A removal that leaves what is needed elsewhere. */
export interface KeepingRemoval<Found> extends Removal {
  /** Which of these are needed still, though they are old enough: asked before each batch. Default: none */
  readonly keep?: (found: readonly Found[]) => Promise<readonly Found[]>;
}

/** Not more than so many are left and passed in one go: what comes behind them is not looked at. */
export const MOST_KEPT = 10_000;

/**
 * Removes old rows, a batch after the other, until one is not full.
 *
 * @param remove removes one; resolves to how many rows it had, and whether it was full
 * @returns how many rows were removed
 * @throws a RangeError for an age or a batch below 1: nothing is removed
 */
export async function removeInBatches(
  { olderThanDays, batch, onBatch = () => Promise.resolve(true) }: Removal,
  remove: (olderThanDays: number, batch: number) => Promise<{ readonly removed: number; readonly isFull: boolean }>,
): Promise<number> {
  for (const [name, value] of Object.entries({ olderThanDays, batch })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`${name} is ${value}: it must be a whole number, 1 at least`);
    }
  }
  for (let total = 0; ;) {
    const { removed, isFull } = await remove(olderThanDays, batch);
    total += removed;
    if (!isFull || !(await onBatch(removed))) return total;
  }
}

/**
 * {@link removeInBatches} by one statement a batch, which resolves to the rows that it has removed.
 *
 * @param statement `$1`: how old, in days; `$2`: how many
 */
export function removeRows(
  database: Database,
  statement: string,
  { batch = 1_000, ...removal }: Partial<Removal> & Pick<Removal, 'olderThanDays'>,
): Promise<number> {
  return removeInBatches({ ...removal, batch }, async (days, limit) => {
    const removed = (await database.run(statement, [days, limit], FORGET_MS)).length;
    return { removed, isFull: removed >= limit };
  });
}

/**
 * {@link removeInBatches} of what is found first, so that it can be asked what of it is needed.
 *
 * @param find finds a batch of what is old enough and none of `kept`, which grows
 * @param remove removes of those that are found what is old enough still; resolves to how many rows it had
 * @throws Error when more than {@link MOST_KEPT} are needed still
 */
export async function removeFound<Found>(
  { keep, ...removal }: KeepingRemoval<Found>,
  find: (olderThanDays: number, batch: number, kept: readonly Found[]) => Promise<Found[]>,
  remove: (found: readonly Found[], olderThanDays: number) => Promise<number>,
): Promise<number> {
  const kept: Found[] = [];
  return removeInBatches(removal, async (olderThanDays, batch) => {
    const found = await find(olderThanDays, batch, kept);
    const needed = new Set(found.length === 0 ? [] : await keep?.(found));
    kept.push(...needed);
    const free = [...new Set(found)].filter((each) => !needed.has(each));
    const removed = free.length === 0 ? 0 : await remove(free, olderThanDays);
    if (kept.length > MOST_KEPT) {
      throw new Error(`${kept.length} are old and needed still: what is behind them is not looked at`);
    }
    return { removed, isFull: found.length >= batch };
  });
}

/** Values as one JSON text, so that every client writes them alike. */
export const ofJson = (parameter: string) => `select value from json_array_elements_text(${parameter}::text::json)`;
