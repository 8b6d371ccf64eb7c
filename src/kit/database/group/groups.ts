import type { Fate } from '../../workflow/fate.js';
import { toJson, UnstorableResult } from '../guard/json.js';
import type { Database } from '../sql.js';
import * as statements from './statements.js';

/** Where a member of a group stands: the row of its first step that was applied, and the name by which it drives it. */
export interface Standing {
  readonly gid: string;
  readonly branch: string;
  readonly driver: string;
}

/** The end of a member. */
export interface MemberEnd extends Standing {
  /** What its row must say: `running` to commit, `undoing` when it is undone. */
  readonly from: 'running' | 'undoing';
  readonly fate: Fate;
}

/**
 * The transactions of one participant's database that groups drive.
 *
 * States of one, in the first step's row: none → running (with that row, in its SQL transaction) → its fate (committed), or
 * → undoing → its fate (compensated). The row's driver decides: the member that opened it until a workflow takes it over.
 *
 * Invariant: whoever decides (to commit, to undo) changes the row in the same statement, naming itself as its driver.
 */
export interface Groups {
  /** Decides to undo. @returns false if somebody else drives the transaction */
  undo(member: Standing): Promise<boolean>;
  /**
   * Ends members, each for itself.
   *
   * @returns the gids of those that have ended; not those that somebody else drives, or whose result cannot be stored
   */
  end(members: readonly MemberEnd[]): Promise<ReadonlySet<string>>;
}

/** A result that cannot be stored keeps the others from nothing. */
function storable(member: MemberEnd): string[] {
  try {
    return [toJson(member) ?? ''];
  } catch (error) {
    if (error instanceof UnstorableResult) return [];
    throw error;
  }
}

/** The groups' view of a database; the guard's migrations have made its table. */
export function groupsOf(db: Database): Groups {
  return {
    async undo({ gid, branch, driver }) {
      return (await db.run(statements.undo, [gid, branch, driver])).length > 0;
    },
    async end(members) {
      const texts = members.flatMap((member) => storable(member));
      if (texts.length === 0) return new Set();
      const rows = await db.run<{ gid: string }>(statements.end, [`[${texts.join(',')}]`]);
      return new Set(rows.map(({ gid }) => gid));
    },
  };
}
