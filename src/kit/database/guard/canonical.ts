/**
 * JSON text that is the same for values that mean the same: the keys of every object are in order. Hashes of it are kept
 * for as long as transactions are: it must stay as it is.
 *
 * @returns nothing for what JSON has no word for, such as `undefined`
 * @throws TypeError for what JSON does not carry, such as a BigInt
 */
export function canonicalJson(value: unknown): string | undefined {
  // A sorted copy takes a third of the time that a replacer does.
  return JSON.stringify(sorted(value, ''));
}

function sorted(given: unknown, key: string): unknown {
  const value = plain(given, key);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((part, index) => sorted(part, String(index)));
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value).sort()) {
    const part = sorted((value as Record<string, unknown>)[name], name);
    if (typeof part === 'function') continue; // JSON leaves it out.
    if (name === '__proto__') Object.defineProperty(copy, name, { value: part, enumerable: true });
    else copy[name] = part;
  }
  return copy;
}

/** A value as JSON sees it. */
function plain(value: unknown, key: string): unknown {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return value;
  const { toJSON } = value as { toJSON?: unknown };
  return typeof toJSON === 'function' ? (toJSON.call(value, key) as unknown) : value;
}
