import { limitsAt } from '../guard/statements.js';

/** The statements of groups. Each names the driver that it believes in: whoever is not the driver any more learns it. */

/** Decides to undo; again, if an attempt before has. `$1` gid, `$2` branch, `$3` driver, `$4` why, `$5` and `$6` limits. */
export const undo = `
with ${limitsAt(5, 6)}
update backstitch.guard set fate = fate || jsonb_build_object('state', 'undoing', 'cause', $4::text::jsonb)
from limits
where gid = $1 and branch = $2 and phase = 1 and driver = $3 and fate->>'state' in ('running', 'undoing')
returning 1`;

/**
 * Ends members: that is the commit of each, or the end of its undo. A row that somebody has locked keeps the others from
 * nothing: whoever has it is about to take that transaction over. `$1` the members, as a list in JSON; `$2` and `$3` limits.
 */
export const end = `
with ${limitsAt(2, 3)},
mine as materialized (
  select g.gid, g.branch, e.fate
  from limits, json_to_recordset($1::text::json) as e(gid text, branch text, driver text, "from" text, fate jsonb)
  -- For each by itself: a plan that was made while the table was small would read all of it.
  cross join lateral (
    select g.gid, g.branch from backstitch.guard g
    where g.gid = e.gid and g.branch = e.branch and g.phase = 1 and g.driver = e.driver and g.fate->>'state' = e."from"
    for no key update of g skip locked
  ) g
)
update backstitch.guard g
set fate = mine.fate, fate_at = clock_timestamp(), written = pg_current_xact_id()
from mine
where g.gid = mine.gid and g.branch = mine.branch and g.phase = 1
returning g.gid`;
