/** Money is an integer number of cents everywhere; this is the one place that makes it readable. Pure: workflows use it. */

/** Cents that may be more than a number holds exactly (2^53): a number where it does, else the decimal digits. */
export type ExactCents = number | string;

/** What PostgreSQL gives as text, or a sum, exactly. */
export function exactCents(cents: number | string | bigint): ExactCents {
  const number = Number(cents);
  return Number.isSafeInteger(number) ? number : String(cents);
}

/** `2933` → `29.33`. What is no whole number of cents, or not exactly, comes back as it is: this fails nobody's workflow. */
export function formatCents(cents: ExactCents): string {
  const isExact = typeof cents === 'number' ? Number.isSafeInteger(cents) : /^-?\d+$/.test(cents);
  if (!isExact) return String(cents);
  const exact = BigInt(cents);
  const sign = exact < 0n ? '-' : '';
  const digits = String(exact < 0n ? -exact : exact).padStart(3, '0');
  return `${sign}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

/** The points that an order of this amount would like to spend: one for each whole unit of money. */
export function pointsFor(cents: number): number {
  return Math.floor(cents / 100);
}
