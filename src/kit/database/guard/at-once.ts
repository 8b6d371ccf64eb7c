import type { Operation } from '../../workflow/branch.js';
import { Rejection } from '../rejection.js';
import type { Sql } from '../sql.js';
import { constraintOf } from '../sqlstate.js';
import type { Probe } from './guard.js';
import { fromJson } from './json.js';
import { limitsOf } from './limits.js';
import { rowOf } from './rows.js';
import { columns, limitsAt } from './statements.js';

/**
 * The guard's row and the work in one statement: one round trip, and no transaction but its own.
 *
 * It decides nothing but success. The work goes first and the row last, by an insert that fails where the key is taken and
 * where the work gave no row; either takes the work back with it. What is the matter then is found out the ordinary way.
 */

/** Work in one statement. Its texts are constants: with the guard's part each is prepared once a connection. */
export interface Statement {
  /**
   * What stands before it in its WITH clause, where alone a statement may stand that changes data: `a as (…), b as (…)`.
   * The names `limits` and `work` are taken.
   */
  readonly with?: string;
  /**
   * Returns one row: the operation's result, each column a property, as `to_jsonb` writes it (an integer beyond 2^53 has to
   * be cast to text). Or no row: it cannot be done.
   */
  readonly text: string;
  /** Its `$1`, `$2`, … */
  readonly values: readonly unknown[];
}

/** What is done at once. */
export interface Attempt {
  readonly operation: Operation;
  /** The operation with what is left of its time. */
  readonly left: () => Operation;
  readonly input: unknown;
  readonly atOnce: () => Statement;
  readonly mask: readonly string[] | undefined;
  readonly probe: Probe;
}

/** Statements kept; their texts are constants, so more than this means that somebody builds them. */
const MAX_KEPT = 500;
const kept = new Map<string, string>();

/**
 * Does the work if nothing stands against it.
 *
 * @param commitWith runs a statement by itself, as no other was run before
 * @returns `taken`: the key is; `refused`: there was no row, or a constraint stood against it. Nothing has happened in either
 * @throws any error that tells nothing: the outcome is unknown
 */
export async function applyAtOnce<Result>(
  commitWith: Sql,
  { operation, left, input, atOnce, mask, probe }: Attempt,
): Promise<{ readonly outcome: 'applied'; readonly result: Result } | 'taken' | 'refused'> {
  await probe('working', operation);
  await probe('worked', operation);
  try {
    const statement = atOnce();
    const values = [...statement.values, ...rowOf(operation, input, mask), ...limitsOf(left())];
    const [row] = await commitWith<{ result: string }>(textOf(statement), values);
    return { outcome: 'applied', result: fromJson(row?.result ?? null) as Result };
  } catch (error) {
    if (error instanceof Rejection) return 'refused';
    const violated = constraintOf(error);
    if (violated === undefined) throw error;
    return violated === 'backstitch.guard_pkey' ? 'taken' : 'refused';
  }
}

function textOf({ with: parts, text, values: { length } }: Statement): string {
  const key = `${length} ${parts ?? ''} ${text}`;
  let whole = kept.get(key);
  if (whole === undefined) {
    const at = (place: number) => `$${length + place}`;
    // Without a row of the work there is no outcome, and without an outcome no row of the guard.
    whole = `
with ${limitsAt(length + 11, length + 12)},
${parts === undefined ? '' : `${parts}, `}work as (
${text}
)
insert into backstitch.guard (${columns}, result, ended_at)
select ${at(1)}, ${at(2)}, 1, ${at(3)}, case when done.result is not null then 'applied' end,
  ${at(4)}, ${at(5)}::text::jsonb, ${at(6)}, ${at(7)}::int, ${at(8)}, ${at(9)}, ${at(10)}::int,
  done.result, clock_timestamp()
from limits left join (select to_jsonb(work) as result from work) done on true
returning result::text as result`;
    if (kept.size < MAX_KEPT) kept.set(key, whole);
  }
  return whole;
}
