/** What is removed, and how much of it at once. */
export interface Removal {
  /** A whole number, 1 at least. */
  readonly olderThanDays: number;
  /** Rows removed by one statement. */
  readonly batch: number;
}

/**
 * Removes old rows, a batch after the other, until a batch is not full.
 *
 * @param remove removes one, and resolves to how many rows it had
 * @returns how many rows were removed
 * @throws a RangeError for an age or a batch below 1: nothing is removed
 */
export async function removeInBatches(
  { olderThanDays, batch }: Removal,
  remove: (olderThanDays: number, batch: number) => Promise<number>,
): Promise<number> {
  for (const [name, value] of Object.entries({ olderThanDays, batch })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`${name} is ${value}: it must be a whole number, 1 at least`);
    }
  }
  for (let removed = 0; ;) {
    const rows = await remove(olderThanDays, batch);
    removed += rows;
    if (rows < batch) return removed;
  }
}
