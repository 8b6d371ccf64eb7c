/** Money is an integer number of cents everywhere; this is the one place that makes it readable. Pure: workflows use it. */

/** `2933` → `29.33`. */
export function formatCents(cents: number): string {
  const sign = cents < 0 ? '-' : '';
  const absolute = Math.abs(cents);
  return `${sign}${Math.floor(absolute / 100)}.${String(absolute % 100).padStart(2, '0')}`;
}

/** The points that an order of this amount would like to spend: one for each whole unit of money. */
export function pointsFor(cents: number): number {
  return Math.floor(cents / 100);
}
