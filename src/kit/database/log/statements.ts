import { belongs } from '../guard/belongs.js';

/**
 * The log's statements, on a participant's database (the guard's rows as JSON text) and on the operations database
 * (which takes that text as it is). Rows are passed on without being read here.
 */

const columns =
  'gid, source, origin, item, seq, branch, op, outcome, function, input, result, failure, driver, who, attempt, began_at, ended_at, final, version';

/**
 * A guard's rows (of `rows`) as rows of the log; `$1`: the service. The first step's row tells two things more: how a
 * transaction ended that has no run with a history, and who gave it to a workflow.
 */
const entriesOf = (rows: string) => `
select gid, 'guard' as source, $1::text as origin, phase || ':' || branch as item, seq, branch, op, outcome,
  function, input, result, failure, driver, who, attempt, began_at, ended_at, outcome <> 'intent' as final,
  written::text as version
from ${rows}
union all
select gid, 'guard', $1::text, 'end', null, null, 'end', fate->>'state',
  null, null, fate->'result', case when fate->>'state' <> 'committed' then jsonb_build_object('message', fate->>'message',
    'type', case fate->>'state' when 'compensated' then 'TransactionCompensated' else 'TransactionFailed' end) end,
  driver, who, null, fate_at, fate_at, true, written::text
from ${rows} where fate_at is not null and fate->>'lane' <> 'workflow'
union all
select gid, 'guard', $1::text, 'promote', null, null, 'operate', 'done',
  null, jsonb_build_object('action', 'promote') || (fate->'promoted'), null, null,
  driver, fate->'promoted'->>'actor', null, promoted_at, promoted_at, true, written::text
from ${rows}, to_timestamp((fate->'promoted'->>'at')::float8 / 1000) as promoted_at
where fate_at is not null and promoted_at is not null`;

/** All rows of one transaction, `$2`. */
export const guardsOf = `
with own as (select * from backstitch.guard where gid = $2)
select coalesce(json_agg(e)::text, '[]') as rows from (${entriesOf('own')}) e`;

/** Which database this is: its cluster, the cluster's timeline (a new one after each recovery), and itself in it. */
export const identity = `
select system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' || (
  select oid from pg_database where datname = current_database()) as identity
from pg_control_system()`;

/**
 * For the transaction that reads a page: rows come in the order of an index, and end with the page. Left to itself the
 * planner, which cannot know how many rows a snapshot hides, would read and sort all that are left for every page.
 */
export const inOrder = `
select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
  set_config('enable_sort', 'off', true), set_config('statement_timeout', $1, true)`;

/**
 * A page of rows, up to the snapshot `$3` (absent: this statement's own), after the row `$4`, at most `$5` of them and
 * about `$6` bytes. It is exact: what is visible in a snapshot was committed when that was taken, so that every later
 * statement sees it; and what commits later is visible in none before.
 */
const page = (where: string, order: string) => `
with bounds as (
  select coalesce($3::text::pg_snapshot, pg_current_snapshot()) as target,
    coalesce($2::text::pg_snapshot, '1:1:') as done, $4::text::jsonb as position
), page as materialized (
  select g.* from backstitch.guard g where ${where} order by ${order} limit $5::int
), sized as (
  select *, row_number() over w as place,
    sum(coalesce(pg_column_size(input), 0) + coalesce(pg_column_size(result), 0) + coalesce(pg_column_size(failure), 0)
      + coalesce(pg_column_size(fate), 0)) over w as bytes
  from page window w as (order by ${order} rows unbounded preceding)
), kept as (
  select * from sized where place = 1 or bytes <= $6::bigint
), last as (
  select written::text, gid, branch, phase from kept order by place desc limit 1
)
select bounds.target::text as target,
  greatest(pg_snapshot_xmax(bounds.done), pg_snapshot_xmax(bounds.target)) > pg_snapshot_xmax(pg_current_snapshot())
    as ahead,
  (select count(*) from page)::int as found,
  (select count(*) from kept)::int as kept,
  (select row_to_json(last)::text from last) as position,
  (select json_agg(e)::text from (${entriesOf('kept')}) e) as rows
from bounds`;

const after = `coalesce((select position->>'gid' from bounds), ''), coalesce((select position->>'branch' from bounds), ''),
    coalesce((select (position->>'phase')::smallint from bounds), 0::smallint)`;
const from = `coalesce((select (position->>'written')::xid8 from bounds), (select pg_snapshot_xmin(done) from bounds))`;

/** What was written since the snapshot `$2`: rows that were visible in it have been collected. */
export const guardsSince = page(
  `written >= ${from} and written < (select pg_snapshot_xmax(target) from bounds)
    and (written, gid, branch, phase) > (${from}, ${after})
    and not pg_visible_in_snapshot(written, (select done from bounds))
    and pg_visible_in_snapshot(written, (select target from bounds))`,
  'written, gid, branch, phase',
);

/**
 * Everything, in the order of its key, and without a look at who wrote it: a database that was restored may hold rows of
 * another one's transactions, with numbers that this one has not come to yet.
 */
export const allGuards = page(`(gid, branch, phase) > (${after})`, 'gid, branch, phase');

/**
 * Puts entries into the log; `given` are rows. In the order of the key: two collectors never wait for each other. What is
 * there and is not older stays as it is.
 */
const put = `
insert into backstitch.log as l (${columns})
select ${columns} from given order by gid, source, origin, item
on conflict (gid, source, origin, item) do update set
  seq = excluded.seq, branch = excluded.branch, op = excluded.op, outcome = excluded.outcome,
  function = excluded.function, input = excluded.input, result = excluded.result, failure = excluded.failure,
  driver = excluded.driver, who = excluded.who, attempt = excluded.attempt, began_at = excluded.began_at,
  ended_at = excluded.ended_at, final = excluded.final, version = excluded.version, collected_at = clock_timestamp()
where (l.began_at, l.final, l.version) < (excluded.began_at, excluded.final, excluded.version)
returning 1`;

const given = (parameter: string) => `
select * from jsonb_to_recordset(${parameter}::text::jsonb) as given (
  gid text, source text, origin text, item text, seq integer, branch text, op text, outcome text, function text,
  input jsonb, result jsonb, failure jsonb, driver text, who text, attempt integer, began_at timestamptz,
  ended_at timestamptz, final boolean, version numeric)`;

/** Puts entries (`$1`) into the log. */
export const putEntries = `with given as (${given('$1')}) ${put}`;

/** Moves the cursor `$1` from its version `$2`, and puts entries (`$3`) into the log: both or, if it was moved, neither. */
export const moveCursor = `
with moved as (
  update backstitch.log_cursors set version = version + 1, identity = $4, done = $5, target = $6,
    position = $7::text::jsonb, collected_at = clock_timestamp()
  where source = $1 and version = $2::text::bigint returning 1
), given as (
  ${given('$3')} where exists (select from moved)
), put as (${put})
select exists (select from moved) as moved, (select count(*) from put)::int as put`;

/** The cursor `$1`, made if it is not there. */
export const readCursor = `
with made as (
  insert into backstitch.log_cursors (source) values ($1) on conflict (source) do nothing returning *
)
select version::text, identity, done, target, position::text from made
union all
select version::text, identity, done, target, position::text from backstitch.log_cursors where source = $1`;

/** Puts what a run's history told (`$1`) into the log, and that it was read. */
export const putRun = `
with run as (
  insert into backstitch.log_runs (run_id, gid, closed, closed_at, seen) values ($2, $3, $4::boolean, $5::text::timestamptz, $6)
  on conflict (run_id) do update set closed = log_runs.closed or excluded.closed,
    closed_at = coalesce(log_runs.closed_at, excluded.closed_at), seen = excluded.seen, failures = 0,
    checked_at = clock_timestamp(), due_at = clock_timestamp()
), given as (${given('$1')}) ${put}`;

/** A run whose history could not be read: due again after a pause, from a minute to an hour. */
export const failRun = `
insert into backstitch.log_runs as r (run_id, gid, closed, seen, failures, due_at)
values ($1, $2, false, '', 1, clock_timestamp())
on conflict (run_id) do update set failures = r.failures + 1, checked_at = clock_timestamp(),
  due_at = clock_timestamp() + make_interval(mins => least(60, (2 ^ least(r.failures, 10))::int))
where not r.closed`;

/** Those of the runs `$1` that were read. */
export const knownRuns = `
select run_id as "runId", closed, seen, due_at > clock_timestamp() as waits from backstitch.log_runs
where run_id in (select jsonb_array_elements_text($1::text::jsonb))`;

/** Open runs that are due, the ones looked at longest ago first, at most `$2`; not those that were looked at since `$1`. */
export const openRuns = `
select run_id as "runId", gid, seen from backstitch.log_runs
where not closed and checked_at < $1::text::timestamptz and due_at <= clock_timestamp() order by checked_at limit $2::int`;

/** The runs `$1` were looked at; those of `$2` are gone from the server, with their histories. */
export const checkedRuns = `
update backstitch.log_runs set checked_at = clock_timestamp(),
  closed = closed or run_id in (select jsonb_array_elements_text($2::text::jsonb)),
  closed_at = case when run_id in (select jsonb_array_elements_text($2::text::jsonb)) then clock_timestamp() else closed_at end
where run_id in (select jsonb_array_elements_text($1::text::jsonb))`;

/** Forgets closed runs that no collection finds again: those that had ended before `$1`. */
export const forgetRuns = `delete from backstitch.log_runs where closed and closed_at < $1::text::timestamptz`;

/** All entries of a transaction. */
export const entriesOfGid = `
select coalesce(json_agg(e)::text, '[]') as rows
from (select * from backstitch.log where gid = $1) e`;

/**
 * What is kept of transactions (`$1`) and of their sagas about what persons have decided, how their runs have ended, and who has made their
 * steps: the newest last.
 */
export const settledOf = `
with found as (
  select * from backstitch.log where gid = any ($1::text[])
  union all
  select log.* from unnest($1::text[]) as asked (gid) join backstitch.log on ${belongs('log.gid', 'asked.gid')}
), told as (
  select gid, origin, branch, op, outcome, input, failure, who, driver, final, began_at
  from found where source = 'history' and op in ('decide', 'end')
  union all
  select gid, null, null, 'step', 'done', null, null, null, driver, true, max(began_at) from found where source = 'guard' group by gid, driver
)
select coalesce(json_agg(told order by began_at)::text, '[]') as rows from told`;
