import { columnName, matches, tableName, type Values } from '../identifiers.js';
import type { Sql } from '../sql.js';

/**
 * The state-guarded update: a row goes from one state to another only if it is in a state from which that is allowed, and the database
 * looks in the same statement that writes.
 *
 * States are the user's own. Of a move from `from` to `to`: the row is in `from` → moved; it is in `to` → done before; it is in any other
 * state → it has gone elsewhere, and stays as it is.
 *
 * Invariant: a row is moved once for each time it is in `from`; what comes late, or twice, never takes it back from a later state.
 *
 * It makes a move idempotent as long as states are not entered twice: where an order may go back to `open`, the second of two same
 * requests may move it again. There the request needs a key of its own (the guard, an execution record).
 */

/** A row with a state. */
export interface StatefulRow {
  /** The table: a name in code, never input. */
  readonly table: string;
  /** What finds the row, by its columns. */
  readonly key: Values;
  /** The column of the state, a text. Default: `status` */
  readonly state?: string;
}

/** A move. */
export interface StateMove {
  /** The states from which it is allowed. */
  readonly from: readonly string[];
  readonly to: string;
  /** What else is set with it, by columns. */
  readonly set?: Values;
}

/**
 * What became of a move, with the state that the row has.
 * - `moved`: it was moved by this call. What belongs to it is this caller's, in the same SQL transaction.
 * - `already`: it is there since before: nothing was done, and nothing is to be done.
 * - `elsewhere`: it is in another state: nothing was done. The caller knows whether that is later (fine) or wrong.
 * - `missing`: there is no such row.
 */
export type Moved =
  | { readonly outcome: 'moved' | 'already' | 'elsewhere'; readonly state: string }
  | { readonly outcome: 'missing'; readonly state: undefined };

/** Moves a row from a state to another, if it is in one from which that is allowed. */
export async function moveState(sql: Sql, of: StatefulRow, { from, to, set = {} }: StateMove): Promise<Moved> {
  const { table, key, state = 'status' } = of;
  const keyed = Object.values(key);
  const where = matches(key, 1);
  const column = columnName(state);
  const sets = Object.keys(set).map((name, place) => `${columnName(name)} = $${keyed.length + 3 + place}`);
  const moved = await sql(
    `update ${tableName(table)} set ${[`${column} = $${keyed.length + 1}`, ...sets].join(', ')}
where ${where} and ${column}::text = any ($${keyed.length + 2}::text[]) returning 1`,
    [...keyed, to, [...from], ...Object.values(set)],
  );
  if (moved.length > 0) return { outcome: 'moved', state: to };
  // In a statement of its own, as it waited for whoever was first: their state counts.
  const [found] = await sql<{ state: string }>(
    `select ${column}::text as state from ${tableName(table)} where ${where}`,
    keyed,
  );
  if (found === undefined) return { outcome: 'missing', state: undefined };
  return { outcome: found.state === to ? 'already' : 'elsewhere', state: found.state };
}
