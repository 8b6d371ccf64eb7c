/** The statements of groups. Each names the driver that it believes in: whoever is not the driver any more learns it. */

/** Decides to undo; again, if an attempt before has. `$1` gid, `$2` branch, `$3` driver. */
export const undo = `
update backstitch.guard set fate = jsonb_set(fate, '{state}', '"undoing"')
where gid = $1 and branch = $2 and phase = 1 and driver = $3 and fate->>'state' in ('running', 'undoing')
returning 1`;

/** Ends members: that is the commit of each, or the end of its undo. `$1` the members, as a list in JSON. */
export const end = `
update backstitch.guard g
set fate = e.fate, fate_at = clock_timestamp(), written = pg_current_xact_id()
from json_to_recordset($1::text::json) as e(gid text, branch text, driver text, "from" text, fate jsonb)
where g.gid = e.gid and g.branch = e.branch and g.phase = 1 and g.driver = e.driver and g.fate->>'state' = e."from"
returning g.gid`;
