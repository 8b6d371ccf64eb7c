import { InvalidArgumentError } from '@commander-js/extra-typings';
import type { Duration } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';

/** What options of the command line may be; each throws the line that commander prints. */

/** A whole number from `min` to `max`. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`give a whole number from ${min} to ${max}.`);
  };
}

/** A duration such as `90s`, `10 minutes` or `1500` (milliseconds). */
export function duration(text: string): Duration {
  const given = (/^\d+$/.test(text) ? Number(text) : text) as Duration;
  try {
    if (msToNumber(given) > 0) return given;
  } catch {
    // Told below.
  }
  throw new InvalidArgumentError("give a duration such as '90s' or '10 minutes'.");
}

/** A time such as `2026-01-31` or `2026-01-31T12:00:00Z`. */
export function time(text: string): Date {
  const value = new Date(text);
  if (!Number.isNaN(value.getTime())) return value;
  throw new InvalidArgumentError("give a time such as '2026-01-31T12:00:00Z'.");
}
