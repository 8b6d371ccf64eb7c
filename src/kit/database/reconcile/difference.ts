import type { SideRow } from './side.js';

/**
 * The keys whose rows are not the same on both sides, in the order in which they are met: those of the symmetric difference of two
 * multisets of rows; or, of sums, those whose values do not add up to the same.
 */
export function differentKeys(one: readonly SideRow[], other: readonly SideRow[], sums: boolean | undefined): string[] {
  const [ours, theirs] = [byKey(one), byKey(other)];
  const same = sums ? sumsAgree : rowsAgree;
  const keys = new Set([...ours.keys(), ...theirs.keys()]);
  return [...keys].filter((key) => !same(ours.get(key) ?? [], theirs.get(key) ?? []));
}

function byKey(rows: readonly SideRow[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { key, value } of rows) {
    const values = found.get(key);
    if (values === undefined) found.set(key, [value]);
    else values.push(value);
  }
  return found;
}

function rowsAgree(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  const [ours, theirs] = [one.toSorted(), other.toSorted()];
  return ours.every((value, place) => value === theirs[place]);
}

function sumsAgree(one: readonly string[], other: readonly string[]): boolean {
  const total = (values: readonly string[]) => values.reduce((sum, value) => sum + BigInt(value), 0n);
  return total(one) === total(other);
}
