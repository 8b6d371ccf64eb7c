import type { Operation } from '../../workflow/branch.js';
import { Rejection } from '../rejection.js';
import type { Sql } from '../sql.js';
import { constraintOf } from '../sqlstate.js';
import { textOf, type Kind } from './at-once-text.js';
import type { Probe } from './guard.js';
import { fromJson } from './json.js';
import { limitsOf } from './limits.js';
import { announcedOf, openedOf } from './meet.js';
import { rowOf } from './rows.js';

/**
 * The guard's row and the work in one statement: one round trip, and no transaction but its own.
 *
 * It decides nothing but success. The work goes first and the row last, by an insert that fails where the key is taken and
 * where the work gave no row; either takes the work back with it. What is the matter then is found out the ordinary way.
 */

/** Work in one statement: a constant, as with the guard's part its text is prepared once a connection. */
export interface Statement {
  /**
   * What stands before it in its WITH clause, where alone a statement may stand that changes data: `a as (…), b as (…)`.
   * The names `limits`, `announced`, `applied` and `work` are taken. In an undo `applied` is what there is to undo: one row,
   * with the action's `result`, or none; to begin with it keeps the order of locks that every undo has.
   */
  readonly with?: string;
  /**
   * Returns one row: the operation's result, each column a property, as `to_jsonb` writes it (an integer beyond 2^53 has to
   * be cast to text). Or no row: it cannot be done.
   */
  readonly text: string;
}

/** The same work as one statement. */
export interface AtOnce {
  readonly statement: Statement;
  /** Its `$1`, `$2`, … */
  readonly values: readonly unknown[];
}

/** What is done at once. */
export interface Attempt {
  readonly operation: Operation;
  /** What is left of its time, in milliseconds. */
  readonly leftMs: () => number;
  readonly input: unknown;
  readonly atOnce: () => AtOnce;
  readonly mask: readonly string[] | undefined;
  readonly probe: Probe | undefined;
}

/** What came of it. */
export type AtOnceOutcome<Result> =
  | { readonly outcome: 'applied'; readonly result: Result }
  /** Somebody has the key. Nothing has happened. */
  | 'taken'
  /** There was no row, or a constraint stood against it. Nothing has happened. */
  | 'refused';

/**
 * Does the work if nothing stands against it.
 *
 * @param commitWith runs a statement by itself, as no other was run before
 * @throws any error that tells nothing: the outcome is unknown
 */
export async function applyAtOnce<Result>(commitWith: Sql, attempt: Attempt): Promise<AtOnceOutcome<Result>> {
  const { announcement, opening } = attempt.operation;
  const kind = announcement ? 'announced' : opening ? 'opened' : 'plain';
  const more = announcement ? announcedOf(announcement) : opening ? [openedOf(opening)] : [];
  const done = await tryAtOnce<Result>(commitWith, attempt, kind, more);
  if (typeof done === 'string') return done;
  announcement?.written();
  opening?.written('now');
  return done;
}

/** Undoes what this driver has applied with the same input. Anything else is found out the ordinary way. */
export function undoAtOnce<Result>(commitWith: Sql, attempt: Attempt): Promise<AtOnceOutcome<Result>> {
  return tryAtOnce(commitWith, attempt, 'undo', []);
}

async function tryAtOnce<Result>(
  commitWith: Sql,
  { operation, leftMs, input, atOnce, mask, probe }: Attempt,
  kind: Kind,
  more: readonly unknown[],
): Promise<AtOnceOutcome<Result>> {
  if (probe) {
    await probe('working', operation);
    await probe('worked', operation);
  }
  try {
    const { statement, values } = atOnce();
    const limits = limitsOf({ timeoutMs: leftMs() });
    const all = [...values, ...rowOf(operation, input, mask), ...limits, ...more];
    operation.announcement?.sending?.();
    const [row] = await commitWith<{ result: string }>(textOf(statement, values.length, kind), all);
    if (row === undefined)
      throw new Error('the guard table took no row: it must have no rule or trigger that drops one');
    return { outcome: 'applied', result: fromJson(row.result) as Result };
  } catch (error) {
    if (error instanceof Rejection) return 'refused';
    const violated = constraintOf(error);
    if (violated === undefined) throw error;
    return violated === 'backstitch.guard_pkey' ? 'taken' : 'refused';
  }
}
