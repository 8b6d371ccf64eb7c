import { columns, limits, row, unbegun } from '../guard/statements.js';

/**
 * The announcements' statements. Each that decides names the owner that it believes in: whoever is not the owner any more
 * changes nothing, and learns it.
 */

/**
 * What announces a transaction, within a statement that has `limits`, by the places of its values: those of the guard's row;
 * 13 the start, 14 milliseconds to the take-over.
 */
export const announcing = (at: (place: number) => string) => `
  insert into backstitch.announcements (gid, branch, start, owner, take_over_at)
  select ${at(1)}, ${at(2)}, ${at(13)}::text::json, ${at(6)},
    clock_timestamp() + make_interval(secs => ${at(14)}::float8 / 1000)
  from limits`;

/**
 * The first step of a transaction: announces it and claims its guard row. No row comes back unless both were new, and no
 * other step has begun it: a rival in flight is waited for on either key. `$1` to `$12` are the guard's; `$13` and `$14` as above.
 */
export const announce = `
with ${limits},
announced as (${announcing((place) => `$${place}`)}
  on conflict (gid) do nothing
  returning 1
)
insert into backstitch.guard (${columns})
select $1, $2, 1, $3, 'applied', ${row} from announced
where ${unbegun('$1', '$2')}
on conflict (gid, branch, phase) do nothing
returning 1 as claimed`;

/** Announces what a group has opened, for a relay to start its workflow. `$1` gid, `$2` the start. */
export const announceOpened = `
insert into backstitch.announcements (gid, start, owner, take_over_at)
select $1, $2::text::json, 'workflow', clock_timestamp()
where exists (
  select from backstitch.guard where gid = $1 and phase = 1 and fate->>'state' in ('running', 'undoing'))
on conflict (gid) do nothing`;

/**
 * How long a decision waits for a lock, in milliseconds: nothing else can hold it up in the server. It is set when its row was
 * found and is not locked yet, within the same statement.
 */
const lockLimitAt = (place: string) => `set_config('lock_timeout', ${place}::text, true) is not null`;

/**
 * The end: takes the announcement away and writes the fate, both or neither. That is the commit, or the end of the undo.
 * `$1` gid, `$2` owner, `$3` state it must be in (null: any), `$4` fate, `$5` as above, `$6` milliseconds for the whole SQL
 * transaction: of several that go together the server may have got a part, and would wait for the rest with their rows locked.
 */
export const end = `
with gone as (
  delete from backstitch.announcements
  where gid = $1 and owner = $2 and state = coalesce($3, state) and ${lockLimitAt('$5')}
    and set_config('transaction_timeout', $6::text, true) is not null
  returning branch
), fated as (
  update backstitch.guard g
  set fate = $4::text::jsonb, fate_at = clock_timestamp(), written = pg_current_xact_id()
  from gone
  where g.gid = $1 and g.phase = 1 and g.branch = coalesce(gone.branch, (
    select branch from backstitch.guard where gid = $1 and phase = 1 order by fate is null, seq limit 1))
)
select 1 from gone`;

/** Takes away that a workflow has taken the transaction over, or that a group had opened it. `$1` gid. */
export const giveUp = `
with gone as (delete from backstitch.announcements where gid = $1 and owner = 'workflow')
update backstitch.guard set fate = null
where gid = $1 and phase = 1 and driver = 'workflow' and fate->>'state' in ('running', 'undoing')`;

/** Decides to undo. `$1` gid, `$2` owner, `$3` as above, `$4` why. */
export const undo = `
update backstitch.announcements set state = 'undoing', cause = $4::text::json
where gid = $1 and owner = $2 and state = 'running' and ${lockLimitAt('$3')}
returning 1`;

/** Gives the transaction to a workflow. `$1` gid, `$2` owner, `$3` milliseconds until a relay starts it, `$4` as above. */
export const handOver = `
update backstitch.announcements
set owner = 'workflow', take_over_at = clock_timestamp() + make_interval(secs => $3::float8 / 1000)
where gid = $1 and owner = $2 and ${lockLimitAt('$4')}
returning 1`;

/**
 * A workflow takes the transaction for itself. A first step in flight is waited for; one that comes later finds the key
 * taken. `$1` gid, `$2` milliseconds until a relay looks at it, `$3`, `$4` limits, `$5` its run.
 */
export const adopt = `
with limits as materialized (
  select set_config('transaction_timeout', $3::text, true), set_config('lock_timeout', $4::text, true)
)
insert into backstitch.announcements as a (gid, owner, take_over_at, run)
select $1, 'workflow', clock_timestamp() + make_interval(secs => $2::float8 / 1000), $5 from limits
on conflict (gid) do update set owner = 'workflow', take_over_at = excluded.take_over_at, run = excluded.run
returning a.state, a.start->>'inputHash' as "inputHash", a.start->>'transaction' as transaction, (extract(epoch from a.began_at) * 1000)::float8 as "beganAt",
  (a.start->'promoted')::text as promoted, a.cause::text as cause`;

/**
 * The same where a group drives it: from here on the group decides nothing. A first step in flight is not waited for: the
 * workflow meets it at that step. Who had it stays known, by the row's driver the first time. `$1` gid.
 */
export const adoptFromGroup = `
update backstitch.guard set driver = 'workflow',
  fate = case when driver = 'workflow' then fate else fate || jsonb_build_object('by', driver) end
where gid = $1 and phase = 1 and fate->>'state' in ('running', 'undoing')
returning fate->>'state' as state, fate->>'inputHash' as "inputHash", fate->>'transaction' as transaction,
  (fate->'cause')::text as cause, (extract(epoch from began_at) * 1000)::float8 as "beganAt"`;

/** The fate of a transaction, if this database has it. */
export const fateOf = `
select fate::text as fate from backstitch.guard
where gid = $1 and phase = 1 and fate is not null and fate->>'state' not in ('running', 'undoing') limit 1`;

/** Takes an announcement away that is of no use, as the transaction had ended before it. `$1` gid. */
export const withdraw = `delete from backstitch.announcements where gid = $1`;

/**
 * Takes over what is due: `$1` transactions at most, each for `$2` milliseconds, or longer the longer a workflow has had it,
 * as that may wait for a person. Several relays never take the same, and never one that changed hands meanwhile.
 */
export const takeOver = `
update backstitch.announcements a
set owner = 'workflow', take_over_at = clock_timestamp() + greatest(
  make_interval(secs => $2::float8 / 1000),
  case when due.owner = 'workflow' then least((clock_timestamp() - a.began_at) / 4, interval '10 minutes') end)
from (
  select gid, owner from backstitch.announcements
  where take_over_at <= clock_timestamp()
  order by take_over_at limit $1::int for update skip locked
) due
where a.gid = due.gid and a.owner = due.owner
returning a.gid, a.start::text as start`;

/** The announcement of a transaction, locked. */
export const announced = `
select owner, start::text as start from backstitch.announcements where gid = $1 for update`;

/** Takes over one transaction by hand, once it is locked. `$1` gid, `$2` milliseconds, `$3` the start, with who did it. */
export const promote = `
update backstitch.announcements
set owner = 'workflow', take_over_at = clock_timestamp() + make_interval(secs => $2::float8 / 1000), start = $3::text::json
where gid = $1`;

/** How a transaction stands in this database: its announcement, and its first step's driver, outcome and fate. */
export const look = `
select a.owner, a.state, a.run, a.start->>'transaction' as transaction, a.start->>'inputHash' as "inputHash",
  g.driver, g.outcome, g.fate::text as fate
from (select 1) one
left join backstitch.announcements a on a.gid = $1
left join lateral (
  select driver, outcome, fate from backstitch.guard where gid = $1 and phase = 1 order by fate_at nulls last, fate is null, seq limit 1
) g on true`;

/**
 * First operations that were applied, or were sent and not answered, each with who did it: also where a workflow has taken the
 * row over since. `taken`: it has. `$1` gid. An answer of a worker carries 2 MB: what is long is left out.
 */
export const appliedSteps = `
select branch, function, coalesce(fate->>'by', driver) as driver, coalesce(fate ? 'by', false) as taken,
  exists (select from backstitch.guard u where u.gid = g.gid and u.branch = g.branch and u.phase = 2) as undone,
  case when length(input::text) < 50000 then input::text end as input,
  case when length(result::text) < 50000 then result::text end as result
from backstitch.guard g
where gid = $1 and phase = 1 and op = 'action' and outcome in ('applied', 'intent')
order by seq desc`;

/** How long the next statement of the SQL transaction may take. `$1` milliseconds. */
export const statementLimit = `select set_config('statement_timeout', $1::text, true)`;

/** All that this database holds of a transaction `$1`, in one snapshot, without inputs and the steps' results. */
export const journalOf = `
select (
    select coalesce(json_agg(r order by seq, branch, phase), '[]')::text from (
      select branch, phase, seq, op, outcome, function, failure, driver, who, attempt, began_at as "beganAt",
        ended_at as "endedAt", fate, fate_at as "fateAt"
      from backstitch.guard where gid = $1
    ) r
  ) as rows, (
    select row_to_json(a)::text from (
      select owner, state, began_at as "beganAt", take_over_at as "takeOverAt",
        start::jsonb - '{input,overrides,details}'::text[] as start
      from backstitch.announcements where gid = $1
    ) a
  ) as announced`;

/**
 * A place in a list, from microseconds since 1970 (`$1`) and a gid (`$2`); absent: its beginning. All databases order gids
 * alike.
 */
/** The place behind which a list begins: `$1` microseconds since 1970, `$2` gid; and `$3` since when. */
export const placed = `
with place as (
  select coalesce('epoch'::timestamptz + $1::float8 * interval '1 microsecond', 'infinity') as at,
    coalesce($2::text, '') collate "C" as gid, coalesce($3::text::timestamptz, '-infinity') as since
)`;
/** The lines of what was scanned. */
export const listed = `
select coalesce(json_agg(s order by time desc, gid collate "C" desc), '[]')::text as lines
from (select *, (extract(epoch from time) * 1000000)::bigint::text as at from scanned) s`;

/**
 * Transactions in progress, announced or opened by a group, the latest first: after a place, begun at `$3` or later, `$4` of
 * them at most. There are a few at a time.
 */
export const listRunning = `${placed},
begun as (
  select a.gid, a.state, a.start->>'transaction' as transaction,
    case when a.owner = 'workflow' then 'workflow' else 'direct' end as lane, a.began_at
  from backstitch.announcements a
  union all
  select g.gid, g.fate->>'state', g.fate->>'transaction', g.fate->>'lane', g.began_at
  from backstitch.guard g
  where g.phase = 1 and g.fate->>'state' in ('running', 'undoing')
    and not exists (select 1 from backstitch.announcements a where a.gid = g.gid)
),
scanned as (
  select b.gid, case b.state when 'undoing' then 'compensating' else b.state end as state, b.transaction, b.lane,
    b.began_at as "beganAt", null as "endedAt", b.began_at as time
  from begun b, place
  where (b.began_at, b.gid) < (place.at, place.gid) and b.began_at >= place.since
  order by b.began_at desc, b.gid collate "C" desc limit $4::int
)${listed}`;

/** Transactions that have ended, the latest first. What began at a time has not ended before it: the index ends there. */
export const listEnded = `${placed},
scanned as (
  select g.gid, g.fate->>'state' as state, g.fate->>'transaction' as transaction, g.fate->>'lane' as lane,
    g.began_at as "beganAt", g.fate_at as "endedAt", g.fate_at as time
  from backstitch.guard g
  where g.fate_at is not null
    and (g.fate_at, g.gid) < ((select at from place), (select gid from place))
    and g.fate_at >= (select since from place)
  order by g.fate_at desc, g.gid collate "C" desc limit $4::int
)${listed}`;
