import type { Operation } from '../../workflow/branch.js';
import { announcing } from '../announcement/statements.js';
import { Rejection } from '../rejection.js';
import type { Sql } from '../sql.js';
import { constraintOf } from '../sqlstate.js';
import type { Probe } from './guard.js';
import { fromJson } from './json.js';
import { limitsOf } from './limits.js';
import { announcedOf, openedOf } from './meet.js';
import { rowOf } from './rows.js';
import { columns, limitsAt, unannounced, unbegun } from './statements.js';

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
   * The names `limits`, `announced` and `work` are taken.
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
  /** The operation with what is left of its time. */
  readonly left: () => Operation;
  readonly input: unknown;
  readonly atOnce: () => AtOnce;
  readonly mask: readonly string[] | undefined;
  readonly probe: Probe;
}

/** What the row of a step is, besides: nothing; with an announcement; the first one of a transaction in a group. */
type Kind = 'plain' | 'announced' | 'opened';

/** The whole texts. */
const texts = new WeakMap<Statement, Partial<Record<Kind, string>>>();

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
    const { statement, values } = atOnce();
    const { announcement, opening } = operation;
    const kind = announcement ? 'announced' : opening ? 'opened' : 'plain';
    const guards = [
      ...rowOf(operation, input, mask),
      ...limitsOf(left()),
      ...(announcement ? announcedOf(announcement) : opening ? [openedOf(opening)] : []),
    ];
    const text = textFor(statement, values.length, kind);
    const [row] = await commitWith<{ result: string }>(text, [...values, ...guards]);
    if (row === undefined)
      throw new Error('the guard table took no row: it must have no rule or trigger that drops one');
    announcement?.written();
    opening?.written();
    return { outcome: 'applied', result: fromJson(row.result) as Result };
  } catch (error) {
    if (error instanceof Rejection) return 'refused';
    const violated = constraintOf(error);
    if (violated === undefined) throw error;
    return violated === 'backstitch.guard_pkey' ? 'taken' : 'refused';
  }
}

function textFor(statement: Statement, values: number, kind: Kind): string {
  let known = texts.get(statement);
  if (known === undefined) texts.set(statement, (known = {}));
  return (known[kind] ??= textOf(statement, values, kind));
}

/**
 * The announcement, if there is one, comes first, as in every statement that takes both keys; the guard's row comes last.
 * Without a row of the work there is no outcome, and without an outcome no row of the guard. There is none either where
 * somebody else has begun the transaction: whatever leaves the row out must take the work back.
 */
function textOf({ with: parts, text }: Statement, values: number, kind: Kind): string {
  const announces = kind === 'announced';
  const [opened, fate] = kind === 'opened' ? [', fate', `, $${values + 13}::text::jsonb`] : ['', ''];
  const at = (place: number) => `$${values + place}`;
  const may = [
    'done.result is not null',
    ...(kind === 'opened' ? [unannounced(at(1))] : []),
    ...(kind === 'plain' ? [] : [unbegun(at(1), at(2))]),
  ].join(' and ');
  const queries = [
    limitsAt(values + 11, values + 12),
    ...(announces ? [`announced as (${announcing(at)}\n  returning 1\n)`] : []),
    ...(parts === undefined ? [] : [parts]),
    `work as (${text}\n)`,
  ];
  return `
with ${queries.join(',\n')}
insert into backstitch.guard (${columns}, result, ended_at${opened})
select ${at(1)}, ${at(2)}, 1, ${at(3)}, case when ${may} then 'applied' end,
  ${at(4)}, ${at(5)}::text::jsonb, ${at(6)}, ${at(7)}::int, ${at(8)}, ${at(9)}, ${at(10)}::int,
  done.result, clock_timestamp()${fate}
from ${announces ? 'announced' : 'limits'} left join (select to_jsonb(work) as result from work) done on true
returning result::text as result`;
}
