import { hashInput, toJson } from '../guard/json.js';
import type { StateOperation } from './call.js';
import type { Operation } from '../../workflow/branch.js';
import type { StoredCall } from '../../workflow/state-table/row.js';
import { MOST_CALLS } from './states.js';

/** The operations of a table, by their names, such as `bank_a.debit`. */
export type StateOperations = Readonly<Record<string, StateOperation>>;

/** One operation of a list, with its input. */
export type StateCall<Operations extends StateOperations> = {
  readonly [Name in keyof Operations & string]: {
    /** The name of the step, once in a list: with the gid it is the participant's key. */
    readonly branch: string;
    readonly operation: Name;
    readonly input: InputOf<Operations[Name]>;
    /** One line for people. Default: the branch */
    readonly summary?: string;
  };
}[keyof Operations & string];

/** What an operation takes; anything, if it does not look at it. */
type InputOf<Work> = Work extends (operation: Operation, input: infer Input) => unknown ? Input : never;

/** A list as it is stored. The operations get their inputs as they come from there, always the same. */
export interface KeptCalls {
  readonly text: string;
  readonly hash: string;
}

/** The gid and the list are stored in a row of PostgreSQL, and become a workflow's, whose id has 1,000 bytes: longer ones are a mistake. */
const LONGEST = { gid: 900, calls: 1_000_000 } as const;

/** @throws a TypeError that names what is wrong with a list: nothing is stored, nothing called */
export function keepCalls(
  gid: string,
  calls: readonly Omit<StoredCall, 'renewed'>[],
  operations: ReadonlyMap<string, StateOperation>,
): KeptCalls {
  const wrong = (rule: string) => new TypeError(`the operations of ${gid}: ${rule}`);
  if (gid === '' || Buffer.byteLength(gid) > LONGEST.gid) throw wrong(`a gid has 1 to ${LONGEST.gid} bytes`);
  if (calls.length < 1 || calls.length > MOST_CALLS) throw wrong(`${calls.length} of them: give 1 to ${MOST_CALLS}`);
  const branches = new Set<string>();
  for (const { branch, operation } of calls) {
    if (branch === '' || branches.has(branch)) throw wrong(`branch '${branch}': each has a name of its own`);
    branches.add(branch);
    if (!operations.has(operation)) {
      throw wrong(`there is no operation '${operation}': give one of ${[...operations.keys()].join(', ')}`);
    }
  }
  const kept = calls.map(({ branch, operation, input, summary }) => ({ branch, operation, input, summary }));
  let text: string;
  try {
    text = toJson(kept) ?? '[]';
  } catch (error) {
    throw wrong(`JSON does not carry an input: ${(error as Error).message}`);
  }
  if (Buffer.byteLength(text) > LONGEST.calls) throw wrong(`more than ${LONGEST.calls} bytes`);
  // A summary is for people: another one is no other transaction.
  const asked = kept.map(({ branch, operation, input }) => [branch, operation, input]);
  return { text, hash: hashInput(asked) };
}
