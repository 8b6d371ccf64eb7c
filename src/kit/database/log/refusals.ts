import type { RefusalsOrder } from '../../workflow/refusals.js';
import type { Database } from '../sql.js';

/** Rows of one guard that are alike. */
export interface AlikeRows {
  readonly transaction: string;
  readonly by: string;
  readonly step: string;
  /** With its op, such as `payments.charge.action`. */
  readonly function: string;
  readonly refused: boolean;
  /** The type of the refusal. */
  readonly type: string | null;
  readonly count: number;
  /** The sum of their places. */
  readonly places: number;
}

/** Kinds of rows that are read of one guard; somebody whose steps have an order's number in their names has more. */
export const MOST_KINDS = 5_000;
/** How long the database may take for it, in milliseconds. */
const READ_MS = 25_000;

/**
 * Phase 1 of what was asked since `$2`: what happened, and what was refused. An intent is an operation outside SQL that was sent. A bar
 * is left out: whoever wrote it did not know whether the step had been asked. `$1`: how gids begin, by name; `$3`: the most.
 */
const alike = `
with known as materialized (
  select key as transaction, value as beginning from jsonb_each_text($1::text::jsonb)
), asked as (
  select known.transaction,
    case when split_part(g.driver, ':', 1) in ('state', 'state-scan', 'state-desk') then 'state-table' else g.op end as by,
    split_part(g.branch, '~', 1) as step, g.function, g.outcome = 'rejected' as refused,
    g.failure->>'type' as type, g.seq
  from backstitch.guard g join known on starts_with(g.gid, known.beginning)
  where g.phase = 1 and g.began_at >= to_timestamp($2::float8 / 1000) and g.outcome in ('applied', 'rejected', 'intent')
)
select transaction, by, step, function, refused, type, count(*)::int as count, sum(seq)::float8 as places
from asked group by transaction, by, step, function, refused, type order by count desc, transaction, by, step limit $3::int`;

/**
 * Counts a guard's rows, in one look at all of them: it takes the longer the more are kept, and is given up after 25 s.
 *
 * @returns at most 5,000 kinds of rows, the most frequent first, and whether there are more
 * @throws the error of the database that cannot be used, or not in time
 */
export async function countAlike(
  database: Database,
  { transactions, since }: RefusalsOrder,
): Promise<{ readonly rows: readonly AlikeRows[]; readonly more: boolean }> {
  const values = [JSON.stringify(transactions), since, MOST_KINDS + 1];
  const rows = await database.transaction(async (sql) => {
    await sql(`select set_config('statement_timeout', $1, true)`, [String(READ_MS)]);
    return sql<AlikeRows>(alike, values);
  }, READ_MS + 5_000);
  return { rows: rows.slice(0, MOST_KINDS), more: rows.length > MOST_KINDS };
}
