/** The statements of execution records. `$1` is the task, `$2` the business id. Times are the database's. */

/**
 * Takes an execution for the owner `$4`: the first one, one that has failed, or one that is stale: `$3` milliseconds old. Of several who
 * would take it over at once one does: the others wait for it, and find it fresh. No row comes back then, nor for what has succeeded.
 *
 * Asked again by its owner, who did not hear the answer, it is the same execution. What comes late of an owner whose execution has ended
 * takes nothing.
 */
export const take = `
insert into backstitch.executions as e (task, business_id, state, started_at, owner)
values ($1, $2, 'PROCESSING', clock_timestamp(), $4)
on conflict (task, business_id) do update set
  state = 'PROCESSING', attempt = e.attempt + case when e.owner = excluded.owner then 0 else 1 end,
  started_at = clock_timestamp(), ended_at = null, result = null, owner = excluded.owner
where e.state = 'PROCESSING' and e.owner = excluded.owner
   or e.owner is distinct from excluded.owner and (e.state = 'FAILED'
     or e.state = 'PROCESSING' and e.started_at <= clock_timestamp() - make_interval(secs => $3::float8 / 1000))
returning attempt`;

export const read = `
select state, attempt, result::text as result, (extract(epoch from started_at) * 1000)::float8 as "startedAt"
from backstitch.executions where task = $1 and business_id = $2`;

/** Ends an execution, if nobody has taken it over: `$3` attempt, `$4` state, `$5` result, `$6` failure. */
export const end = `
update backstitch.executions set
  state = $4, ended_at = clock_timestamp(), result = $5::text::jsonb, failure = $6::text::jsonb
where task = $1 and business_id = $2 and attempt = $3 and state = 'PROCESSING'
returning 1`;

/** Removes a batch of those that have ended before so many days. */
export const forget = `
delete from backstitch.executions where ctid = any (array(
  select ctid from backstitch.executions where ended_at < now() - make_interval(days => $1::int)
  limit $2::int for update skip locked))
returning 1`;
