import { columns, limitsAt, row } from '../guard/statements.js';
import { PREPARED_SETTING } from '../outbox/add-statements.js';

/** The statements of prepared transactions. Only a database's own are ours to end: the view lists those of the whole server. */

/** The one that a branch has, by what its name begins with. */
export const find = `
select gid as name from pg_prepared_xacts where database = current_database() and starts_with(gid, $1)`;

/**
 * The same as a transaction's first statement, which bounds the transaction and its waits for locks; and whether a process drives
 * another transaction of this gid (`$4`). Messages that it adds to an outbox wake nobody: what is to be prepared cannot notify.
 */
export const lookFirst = `
with ${limitsAt(2, 3)}
select (select gid from pg_prepared_xacts where database = current_database() and starts_with(gid, $1)) as name,
  exists (select from backstitch.announcements where gid = $4) as announced,
  set_config('${PREPARED_SETTING}', 'on', true)
from limits`;

export const announced = `select exists (select from backstitch.announcements where gid = $1) as announced`;

/**
 * The guard's row of a branch whose work is done, with its vote: whether the work has written anything is known before the
 * row itself is. No row comes back when somebody has the key.
 */
export const vote = `
with work as materialized (select pg_current_xact_id_if_assigned() is not null as wrote)
insert into backstitch.guard (${columns}, result, ended_at)
select $1, $2, 1, $3, 'applied', ${row}, to_jsonb(case when wrote then 'yes' else 'read-only' end), clock_timestamp()
from work
on conflict (gid, branch, phase) do nothing
returning result #>> '{}' as vote`;

/** Prepared for longer than so many milliseconds, the oldest first. */
export const inDoubt = `
select gid as name, (extract(epoch from prepared) * 1000)::bigint::text as since,
  (extract(epoch from clock_timestamp() - prepared) * 1000)::bigint::text as age
from pg_prepared_xacts
where database = current_database() and starts_with(gid, $1)
  and prepared <= clock_timestamp() - $2::float8 * interval '1 millisecond'
order by prepared limit $3`;

/** What a database can prove of a transaction's decision: that it is to be committed, that it is not. */
export const proof = `
select
  coalesce(bool_or(phase = 2 and op = 'commit' or phase = 1 and op = 'prepare' and outcome = 'applied' and result #>> '{}' = 'yes'), false)
    as committed,
  coalesce(bool_or(phase = 1 and op in ('prepare', 'rollback') and outcome in ('barred', 'rejected')), false) as refused
from backstitch.guard where gid = $1`;
