/**
 * PostgreSQL's `bigint` and `numeric`, which clients give as text, as a number: exactly, or not at all.
 *
 * @throws a RangeError for what a number cannot hold exactly
 */
export function safeInteger(value: string | number | bigint, what: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new RangeError(`${what} is ${value}: beyond the integers that are exact here (2^53)`);
}
