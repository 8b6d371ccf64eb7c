import type { Database } from '../sql.js';
import { parseName, PREFIX, type NamedBranch } from './name.js';
import * as statements from './statements.js';

/** A transaction that is prepared: nobody has committed it, nor rolled it back. */
export interface InDoubt extends NamedBranch {
  /** Its name, as COMMIT PREPARED and ROLLBACK PREPARED take it, in this database only. */
  readonly name: string;
  /** When it was prepared, in milliseconds since 1970, by the server's clock. */
  readonly since: number;
  /** How long ago that is, in milliseconds. */
  readonly ageMs: number;
}

export interface InDoubtOptions {
  /** Only what was prepared so long ago, in milliseconds. Default: 1 minute */
  readonly olderThanMs?: number;
  /** So many at most, the oldest first. Default: 1,000 */
  readonly limit?: number;
}

/** When a prepared transaction counts as in doubt: a coordinator that is well ends it within seconds. */
export const IN_DOUBT_MS = 60_000;

/** The kit's transactions that are prepared in a database. */
export async function listInDoubt(
  database: Pick<Database, 'run'>,
  { olderThanMs = IN_DOUBT_MS, limit = 1_000 }: InDoubtOptions = {},
): Promise<InDoubt[]> {
  type Row = { name: string; since: string; age: string };
  const rows = await database.run<Row>(statements.inDoubt, [PREFIX, olderThanMs, limit]);
  return rows.flatMap(({ name, since, age }) => {
    const named = parseName(name);
    return named === undefined ? [] : [{ ...named, name, since: Number(since), ageMs: Number(age) }];
  });
}

/**
 * What a database proves of the decision about a two-phase commit, for one whose coordinator nobody knows any more.
 *
 * - `commit`: a branch was committed here. A commit is asked only after the decision that all commit.
 * - `rollback`: a branch was refused or barred here, so that not all have voted yes: that decision was never made, nor can be.
 * - `undefined`: it proves nothing. That a branch is not there proves nothing either: it may be in another database.
 */
export async function proofOf(
  database: Pick<Database, 'run'>,
  gid: string,
): Promise<'commit' | 'rollback' | undefined> {
  const [row] = await database.run<{ committed: boolean; refused: boolean }>(statements.proof, [gid]);
  if (row === undefined || row.committed === row.refused) return undefined;
  return row.committed ? 'commit' : 'rollback';
}
