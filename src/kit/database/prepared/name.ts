import type { Branch, Scheme } from '../../workflow/branch.js';
import { Rejection } from '../rejection.js';

/**
 * The names of prepared transactions: `backstitch/<scheme>/<gid>/<branch>/<input>`.
 *
 * The row that a prepared transaction has written is seen by nobody before its commit, so its name says all that is needed to
 * find it, to tell whose it is, and to tell whether it was prepared with the same input. Parts are encoded as in a URL, so that
 * none has a slash.
 */

/** What every name of ours begins with. */
export const PREFIX = 'backstitch/';

/** PostgreSQL takes so many characters. */
const LONGEST = 199;
/** Of an input's hash: 128 bits. */
const HASH = 22;

/** What a name tells. */
export interface NamedBranch extends Pick<Branch, 'gid' | 'branch' | 'scheme'> {
  /** The beginning of the input's hash. */
  readonly input: string;
}

/** What the names of one branch begin with, whatever its input was. */
export function prefixOf({ scheme, gid, branch }: Pick<Branch, 'gid' | 'branch' | 'scheme'>): string {
  return `${PREFIX}${scheme}/${encoded(gid)}/${encoded(branch)}/`;
}

/**
 * The name under which a branch is prepared.
 *
 * @param inputHash as the guard stores it
 * @throws {@link Rejection} where it would be longer than PostgreSQL takes
 */
export function nameOf(operation: Pick<Branch, 'gid' | 'branch' | 'scheme'>, inputHash: string): string {
  const name = prefixOf(operation) + inputHash.slice(0, HASH);
  if (name.length <= LONGEST) return name;
  const { gid, branch } = operation;
  throw new Rejection(
    'NameTooLong',
    `the names of ${gid} and of its branch '${branch}' are ${name.length - LONGEST} characters too long for a prepared transaction (one that is no letter, digit, '.', '_' or '-' counts as three or more): choose shorter ones`,
  );
}

/** What a name tells; `undefined` if it is none of ours. */
export function parseName(name: string): NamedBranch | undefined {
  if (!name.startsWith(PREFIX)) return undefined;
  const [scheme = '', gid = '', branch = '', input, ...more] = name.slice(PREFIX.length).split('/');
  if (input === undefined || more.length > 0) return undefined;
  try {
    return { scheme: scheme as Scheme, gid: decodeURIComponent(gid), branch: decodeURIComponent(branch), input };
  } catch {
    return undefined;
  }
}

/** Only letters, digits, `.`, `_`, `-` and `%`: they need no quotes, and postgres.js takes no others. */
function encoded(part: string): string {
  return encodeURIComponent(part).replaceAll(
    /[!~*'()]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
