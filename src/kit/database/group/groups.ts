import type { CauseNote } from '../../workflow/failure.js';
import type { Fate } from '../../workflow/fate.js';
import { fateToJson } from '../announcement/fate.js';
import { toLog } from '../guard/json.js';
import { limitsOf } from '../guard/limits.js';
import type { Database } from '../sql.js';
import * as statements from './statements.js';

/** How long the decision to undo, or the ends of members, may take to be written, in milliseconds. */
export const DECISION_MS = 2_000;

/** The row of a member's first step that was applied, and the name by which it drives the transaction. */
export interface MemberRow {
  readonly gid: string;
  readonly branch: string;
  readonly driver: string;
}

/** The end of a member. */
export interface MemberEnd extends MemberRow {
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
  undo(member: MemberRow & { readonly cause: CauseNote }): Promise<boolean>;
  /**
   * Ends members, each for itself. A result that cannot be stored is left out.
   *
   * @returns the gids of those that have ended; not those that somebody else drives
   */
  end(members: readonly MemberEnd[]): Promise<ReadonlySet<string>>;
}

/** The groups' view of a database; the guard's migrations have made its table. */
export function groupsOf(db: Database): Groups {
  const limits = limitsOf({ timeoutMs: DECISION_MS });
  return {
    async undo({ gid, branch, driver, cause }) {
      return (await db.run(statements.undo, [gid, branch, driver, toLog(cause), ...limits])).length > 0;
    },
    async end(members) {
      const texts = members.map((member) => fateToJson(member.fate, (fate) => ({ ...member, fate })));
      const rows = await db.run<{ gid: string }>(statements.end, [`[${texts.join(',')}]`, ...limits]);
      return new Set(rows.map(({ gid }) => gid));
    },
  };
}
