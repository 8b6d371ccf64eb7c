import { hash } from 'node:crypto';
import { isStorable, storable } from '../../workflow/carried.js';
import { canonicalJson } from './canonical.js';

/**
 * How the guard writes values: as JSON text, and only what JSON carries unchanged.
 */

/** A result that cannot be stored as it is. */
export class UnstorableResult extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnstorableResult';
  }
}

/**
 * A value as JSON text; `null` for `undefined`, which JSON has no word for.
 *
 * @throws {@link UnstorableResult} for what would come back as something else: a BigInt, an integer beyond 2^53, NaN, a
 * zero character, half of a surrogate pair
 */
export function toJson(value: unknown): string | null {
  if (value === undefined) return null;
  const json = JSON.stringify(value, (key, part: unknown) => {
    const wrong =
      typeof part === 'bigint' ||
      typeof part === 'function' ||
      typeof part === 'symbol' ||
      (typeof part === 'number' && (!Number.isFinite(part) || (Number.isInteger(part) && !Number.isSafeInteger(part))));
    if (wrong) {
      const where = key === '' ? 'the value' : `'${key}'`;
      throw new UnstorableResult(
        `${where} is ${JSON.stringify(String(part))}, which JSON in PostgreSQL does not carry: return it as other text`,
      );
    }
    return part;
  });
  if (!isStorable(json)) {
    throw new UnstorableResult(
      'a text or a key of the value holds a zero character or half of a surrogate pair, which JSON in PostgreSQL does not carry: return other text',
    );
  }
  return json;
}

/** What {@link toJson} wrote. */
export function fromJson(text: string | null): unknown {
  return text === null ? undefined : JSON.parse(text);
}

/** An input or a failure as JSON text for the log: what cannot be written is replaced, as the hash tells inputs apart. */
export function toLog(value: unknown): string {
  const json = JSON.stringify(value) as string | undefined;
  return storable(json ?? 'null');
}

/** A text for a column of the log, with the same replaced. */
export function textToLog(text: string): string {
  return JSON.parse(toLog(text)) as string;
}

/**
 * Equal for inputs that mean the same: the order of keys does not count. It must stay as it is: rows are compared with it
 * for as long as they are kept.
 *
 * @throws a TypeError for an input that is no JSON, such as a BigInt: it could not have travelled here
 */
export function hashInput(input: unknown): string {
  return hash('sha256', input === undefined ? 'undefined' : (canonicalJson(input) ?? 'null'), 'base64url');
}

/** A copy of the input with the values at these dotted paths replaced, for the log. */
export function maskInput(input: unknown, paths: readonly string[]): unknown {
  if (paths.length === 0 || typeof input !== 'object' || input === null) return input;
  const copy = structuredClone(input) as Record<string, unknown>;
  for (const path of paths) {
    const keys = path.split('.');
    const last = keys.pop() ?? '';
    let at: unknown = copy;
    for (const key of keys) at = isRecord(at) ? at[key] : undefined;
    if (isRecord(at) && last in at) at[last] = '***';
  }
  return copy;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
