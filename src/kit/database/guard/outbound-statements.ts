import { columns, limits, limitsAt, row } from './statements.js';

/**
 * The statements of the guard's second mode. As in the first, `$1` to `$10` are the row and `$11`, `$12` the limits, where
 * a statement has them. Whoever decides about a branch holds the lock on its phase 1.
 */

/**
 * Phase 1: the intent, or the row that is there, locked. `$13`: for how many milliseconds it will be sending. `claimed`:
 * it was inserted here, as no update but that of an outcome changes `written`.
 */
export const intend = `
with ${limits}
insert into backstitch.guard as g (${columns}, first_sent_at, sending_until)
select $1, $2, 1, $3, 'intent', ${row}, clock_timestamp(), clock_timestamp() + make_interval(secs => $13::float8 / 1000)
from limits
on conflict (gid, branch, phase) do update set gid = g.gid
returning g.written = pg_current_xact_id() as claimed`;

/** An undo: bars phase 1, or locks the row that is there; phase 2 is the intent to undo it, or empty. */
export const intendUndo = `
with ${limits},
first as (
  insert into backstitch.guard as g (${columns}, ended_at)
  select $1, $2, 1, $3, 'barred', ${row}, clock_timestamp() from limits
  on conflict (gid, branch, phase) do update set gid = g.gid
  returning g.outcome, g.outcome in ('applied', 'intent') as undoable, g.input_hash <> $4 and not $13::boolean as foreign_input
), second as (
  insert into backstitch.guard (${columns}, ended_at)
  select $1, $2, 2, $3, case when undoable then 'intent' else 'empty' end, ${row},
         case when not undoable then clock_timestamp() end
  from first where not (undoable and foreign_input)
  on conflict (gid, branch, phase) do nothing
  returning 1
)
select undoable and foreign_input as "foreignInput", not undoable and exists (select from second) as empty from first`;

/** Both phases of a branch, in a statement of its own. Ages are in milliseconds, by the database's clock. */
export const readIntents = `
select phase, op, outcome, result::text as result, failure::text as failure, input_hash as "inputHash",
  driver, fate::text as fate,
  exists (select from backstitch.announcements a where a.gid = $1) as announced,
       input::text as input, round, sending_until::text as "sendingUntil", first_sent_at::text as "firstSentAt",
       (extract(epoch from clock_timestamp() - first_sent_at) * 1000)::float8 as "sentForMs",
       (extract(epoch from clock_timestamp() - sending_until) * 1000)::float8 as "quietForMs"
from backstitch.guard where gid = $1 and branch = $2`;

/**
 * Before something is sent (again): until when. `$5`: it is a new beginning, of the key's life too, with the input `$6`,
 * whose hash is `$7`; `$8`: the attempt, where it is the row's own operation that sends.
 */
export const send = `
update backstitch.guard set
  sending_until = greatest(sending_until, clock_timestamp() + make_interval(secs => $4::float8 / 1000)),
  first_sent_at = case when $5::boolean then clock_timestamp() else first_sent_at end,
  input = case when $5::boolean then $6::text::jsonb else input end,
  input_hash = case when $5::boolean then $7 else input_hash end,
  attempt = case when $8::int is null then attempt else greatest(attempt, $8::int) end
where gid = $1 and branch = $2 and phase = $3::smallint and outcome = 'intent'`;

/** The outcome of an intent that still has none. No row comes back where another attempt was first: that one counts. */
export const conclude = `
with ${limitsAt(8, 9)}
update backstitch.guard g
set outcome = $5, result = $6::text::jsonb, failure = $7::text::jsonb, ended_at = clock_timestamp(), written = pg_current_xact_id()
from limits
where g.gid = $1 and g.branch = $2 and g.phase = $3::smallint and g.round = $4::int and g.outcome = 'intent'
returning 1`;

/** An undo that was refused for good: nothing of it happened, and the next attempt begins with a new key. */
export const beginAnew = `
with ${limitsAt(6, 7)}
update backstitch.guard g
set round = g.round + 1, failure = $5::text::jsonb, first_sent_at = null, sending_until = null, written = pg_current_xact_id()
from limits
where g.gid = $1 and g.branch = $2 and g.phase = $3::smallint and g.round = $4::int and g.outcome = 'intent'
returning 1`;
