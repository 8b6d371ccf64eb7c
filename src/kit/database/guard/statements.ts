/**
 * The guard's statements. At READ COMMITTED each sees what was committed before it began, and an insert that meets the
 * same key in flight waits for it.
 *
 * `$1` to `$10` are the row: gid, branch, op, input_hash, input, driver, seq, function, who, attempt. JSON travels as
 * text, so that every client writes and reads it alike.
 */

export const columns = 'gid, branch, phase, op, outcome, input_hash, input, driver, seq, function, who, attempt';
export const row = '$4, $5::text::jsonb, $6, $7::int, $8, $9, $10::int';

/**
 * The places of the values that limit a statement: milliseconds for the whole SQL transaction, and for a lock. They are
 * set within the statement that locks, at no round trip of their own.
 */
export const limitsAt = (transaction: number, lock: number) => `limits as materialized (
  select set_config('transaction_timeout', $${transaction}::text, true),
         set_config('idle_in_transaction_session_timeout', $${transaction}::text, true),
         set_config('lock_timeout', $${lock}::text, true)
)`;

export const limits = limitsAt(11, 12);

/** Phase 1: claims the key. No row comes back when somebody has it. */
export const claim = `
with ${limits}
insert into backstitch.guard (${columns})
select $1, $2, 1, $3, 'applied', ${row} from limits
on conflict (gid, branch, phase) do nothing
returning 1 as claimed`;

/**
 * That no other step has begun the transaction in this database, by the places of its gid and branch. One that was refused has
 * not, unless that was the transaction's end.
 */
export const unbegun = (gid: string, branch: string) => `not exists (
  select from backstitch.guard o
  where o.gid = ${gid} and o.branch <> ${branch} and o.phase = 1 and (o.outcome <> 'rejected' or o.fate is not null)
)`;
/** That it is not announced in this database. */
export const unannounced = (gid: string) => `not exists (select from backstitch.announcements o where o.gid = ${gid})`;

/**
 * The same for the first step of a transaction that a group drives. `$13`: what stands in the place of its fate. No row comes
 * back, either, where somebody else has begun the transaction.
 */
export const open = `
with ${limits}
insert into backstitch.guard (${columns}, fate)
select $1, $2, 1, $3, 'applied', ${row}, $13::text::jsonb from limits
where ${unannounced('$1')} and ${unbegun('$1', '$2')}
on conflict do nothing
returning 1 as claimed`;

/**
 * Settle: bars phase 1 or, if it is there, locks it, so that it waits for an action and for an undo in flight. What it
 * then returns is the newest version.
 */
export const settle = `
with ${limits}
insert into backstitch.guard as g (${columns}, ended_at)
select $1, $2, 1, $3, 'barred', ${row}, clock_timestamp() from limits
on conflict (gid, branch, phase) do update set gid = g.gid
returning g.outcome`;

/**
 * An undo: bars phase 1 or, if it is there, locks it and reads its newest version; then claims phase 2, unless what was
 * applied had another input, and `$13` (the input was corrected) is false. The update changes nothing: it is there because `do nothing` would
 * return no row.
 */
export const bar = `
with ${limits},
first as (
  insert into backstitch.guard as g (${columns}, ended_at)
  select $1, $2, 1, $3, 'barred', ${row}, clock_timestamp() from limits
  on conflict (gid, branch, phase) do update set gid = g.gid
  returning g.outcome, g.result, g.driver, g.outcome = 'applied' and g.input_hash <> $4 and not $13::boolean as foreign_input
), second as (
  insert into backstitch.guard (${columns}, ended_at)
  select $1, $2, 2, $3, case first.outcome when 'applied' then 'applied' else 'empty' end, ${row}, clock_timestamp()
  from first where not foreign_input
  on conflict (gid, branch, phase) do nothing
  returning 1
)
select first.outcome, first.result::text as result, first.driver, exists (select from second) as claimed,
       first.foreign_input as "foreignInput" from first`;

/** A confirm or commit: locks phase 1 and reads it; claims phase 2 if phase 1 was applied. No row: phase 1 never came. */
export const follow = `
with ${limits},
first as (
  select g.outcome, g.result from limits, backstitch.guard g
  where g.gid = $1 and g.branch = $2 and g.phase = 1 for update of g
), second as (
  insert into backstitch.guard (${columns}, ended_at)
  select $1, $2, 2, $3, 'applied', ${row}, clock_timestamp() from first where first.outcome = 'applied'
  on conflict (gid, branch, phase) do nothing
  returning 1
)
select first.outcome, first.result::text as result, exists (select from second) as claimed from first`;

/** Both phases of a branch, and the row that has the transaction's fate; in a statement (and so a snapshot) of its own. */
export const read = `
select branch, phase, op, outcome, result::text as result, failure::text as failure, input_hash as "inputHash",
  driver, fate::text as fate,
  exists (select from backstitch.announcements a where a.gid = $1) as announced
from backstitch.guard where gid = $1 and (branch = $2 or phase = 1 and fate is not null)`;

/** Stores what the work resulted in, before the commit. */
export const finish = `
update backstitch.guard set result = $4::text::jsonb, ended_at = clock_timestamp()
where gid = $1 and branch = $2 and phase = $3::smallint`;

/** Stores a definite no, in a transaction of its own. No row comes back when something is stored already: that counts. */
export const reject = `
with ${limits}
insert into backstitch.guard (${columns}, failure, ended_at)
select $1, $2, 1, $3, 'rejected', ${row}, $13::text::jsonb, clock_timestamp() from limits
on conflict (gid, branch, phase) do nothing
returning 1 as claimed`;
