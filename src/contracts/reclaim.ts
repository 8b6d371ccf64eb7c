/** What a report of reclaiming names, for activities and workflows: it needs nothing else. */

/** Purchases that a report names as not reclaimed. */
export const MAX_NOT_RECLAIMED = 20;
/** Sales that a report names with what it could not reclaim of each. */
const MAX_SALES_NAMED = 100;

/** What could not be reclaimed of a sale: how many purchases, and one of them with its reason. */
export interface NotReclaimed {
  sale: string;
  count: number;
  id: string;
  message: string;
}

/** Adds up by sales, in the order in which they come. */
export function bySale(parts: readonly NotReclaimed[]): NotReclaimed[] {
  const sums = new Map<string, NotReclaimed>();
  for (const part of parts) {
    const known = sums.get(part.sale);
    if (known !== undefined) known.count += part.count;
    else if (sums.size < MAX_SALES_NAMED) sums.set(part.sale, { ...part });
  }
  return [...sums.values()];
}
