import { announcing } from '../announcement/statements.js';
import type { Statement } from './at-once.js';
import { columns, limitsAt, unannounced, unbegun } from './statements.js';

/**
 * What the row of an operation is: that of a step; with an announcement; the first one of a transaction in a group; that of
 * an undo.
 */
export type Kind = 'plain' | 'announced' | 'opened' | 'undo';

/** The whole texts: constants, as each is prepared once a connection. */
const texts = new WeakMap<Statement, Partial<Record<Kind, string>>>();

/**
 * The work with the guard's part around it. After the work's own values come those of the guard's row, the limits, and what
 * the kind has besides.
 */
export function textOf(statement: Statement, values: number, kind: Kind): string {
  let known = texts.get(statement);
  if (known === undefined) texts.set(statement, (known = {}));
  return (known[kind] ??= build(statement, values, kind));
}

/**
 * The announcement, if there is one, comes first, as in every statement that takes both keys; the guard's row comes last.
 * Without a row of the work there is no outcome, and without an outcome no row of the guard: whatever leaves the row out must
 * take the work back. There is none either where somebody else has begun the transaction, and of an undo where there is
 * nothing that its own driver has applied with its input.
 */
function build({ with: parts, text }: Statement, values: number, kind: Kind): string {
  const at = (place: number) => `$${values + place}`;
  const undoes = kind === 'undo';
  const may = [
    'done.result is not null',
    ...(kind === 'undo' ? ['applied.found'] : []),
    ...(kind === 'opened' ? [unannounced(at(1))] : []),
    ...(kind === 'opened' || kind === 'announced' ? [unbegun(at(1), at(2))] : []),
  ].join(' and ');
  const [opened, fate] = kind === 'opened' ? [', fate', `, ${at(13)}::text::jsonb`] : ['', ''];
  const queries = [
    limitsAt(values + 11, values + 12),
    ...(kind === 'announced' ? [`announced as (${announcing(at)}\n  returning 1\n)`] : []),
    ...(undoes ? [`applied as materialized (${applied(at)}\n)`] : []),
    ...(parts === undefined ? [] : [parts]),
    `work as (${text}\n)`,
  ];
  const from = kind === 'announced' ? 'announced' : undoes ? 'limits left join applied on true' : 'limits';
  return `
with ${queries.join(',\n')}
insert into backstitch.guard (${columns}, result, ended_at${opened})
select ${at(1)}, ${at(2)}, ${undoes ? 2 : 1}, ${at(3)},
  case when ${may} then 'applied' end,
  ${at(4)}, ${at(5)}::text::jsonb, ${at(6)}, ${at(7)}::int, ${at(8)}, ${at(9)}, ${at(10)}::int,
  done.result, clock_timestamp()${fate}
from ${from} cross join (select (select to_jsonb(work) from work) as result) done
returning result::text as result`;
}

/** What there is to undo, locked. */
const applied = (at: (place: number) => string) => `
  select g.result, true as found from limits, backstitch.guard g
  where g.gid = ${at(1)} and g.branch = ${at(2)} and g.phase = 1
    and g.outcome = 'applied' and g.input_hash = ${at(4)} and g.driver = ${at(6)}
  for update of g`;
