import type { Database } from '../kit/database/index.js';
import type { ExpiredHold } from '../kit/workflow/index.js';

/** Holds that are read at a time. */
const PAGE = 500;
/** How long one reading may take with its connection, in milliseconds. */
const READ_MS = 10_000;

/**
 * What a service holds for transactions, and should not any more by now: oldest first, page by page.
 *
 * @param statement with `gid`, `branch`, `since` (milliseconds since 1970) and `place` (that time as PostgreSQL writes it), in the
 * order of place, gid and branch; `$1`, `$2`, `$3`: behind this one; `$4`: how many; then what else it needs
 */
export async function* expiredBy(
  { run }: Pick<Database, 'run'>,
  statement: string,
  ...more: readonly unknown[]
): AsyncGenerator<ExpiredHold> {
  let after: unknown[] = ['-infinity', '', ''];
  for (;;) {
    const rows = await run<ExpiredHold & { place: string }>(statement, [...after, PAGE, ...more], READ_MS);
    for (const { gid, branch, since } of rows) yield { gid, branch, since };
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    after = [last.place, last.gid, last.branch];
  }
}

/** The statement for {@link expiredBy}. @param held a query of `gid`, `branch` and `expires_at` */
export function expiredSql(held: string): string {
  return `
select gid, branch, (extract(epoch from expires_at) * 1000)::float8 as since, expires_at::text as place
from (${held}) as held
where expires_at < now() and (expires_at, gid, branch) > ($1::timestamptz, $2, $3)
order by expires_at, gid, branch limit $4`;
}

/** How long a try may wait for its confirm or cancel before somebody should look, in minutes. */
export const HOLD_MINUTES = 10;

/**
 * What an order by try, confirm and cancel has frozen: {@link expiredSql} of a service's own record. `$5`: what the gid of an order
 * begins with; `$6`: the operation that freezes.
 *
 * @param since when it was frozen
 */
export function frozenSql({ records, since }: { records: string; since: string }): string {
  return expiredSql(`
  select $5::text || order_id as gid, coalesce(guard.branch, 'order ' || order_id) as branch,
    ${since} + interval '${HOLD_MINUTES} minutes' as expires_at
  from ${records} left join backstitch.guard on guard.gid = $5::text || order_id and phase = 1 and function = $6
  where ${records}.status = 'frozen' and ${since} < now() - interval '${HOLD_MINUTES} minutes'`);
}
