/**
 * The statements of pools and of what is occupied. A pool's row is locked for the time of one statement; where rows are locked too it is
 * in the order of their ids, so that no two batches wait for each other.
 */

/** Decides `$2`, many at once, in the pool `$1`. */
export const occupy = `
select place, answer, state, at_ms as "atMs", due_ms as "dueMs" from backstitch.occupy($1, $2::text::json) order by place`;

const ms = (column: string, name: string) => `(extract(epoch from ${column}) * 1000)::float8 as "${name}"`;

/** Opens a pool; no row: it is there. */
export const open = `
insert into backstitch.occupancy_pools (pool, units, free, most_at_once, most_per_holder, hold_ms, terms)
values ($1, $2::integer, $2::integer, $3::integer, $4::integer, $5::bigint, $6::text::json)
on conflict (pool) do nothing
returning pool`;

/** The terms on which pools were opened are compared as jsonb: what JSON means, not how it was written. */
export const isOpenedBy = `
select (units, most_at_once, most_per_holder, hold_ms, terms::jsonb)
  is not distinct from ($2::integer, $3::integer, $4::integer, $5::bigint, $6::text::jsonb) as same
from backstitch.occupancy_pools where pool = $1`;

/** Pools with what was occupied of them, after pool `$1`, at most `$2`; `$3`: only this one. */
export const pools = `
select p.pool, p.units, p.free, p.returned, p.most_at_once as "mostAtOnce", p.most_per_holder as "mostPerHolder",
  p.hold_ms::float8 as "holdMs", p.terms::text as terms, ${ms('p.opened_at', 'openedAt')}, ${ms('p.closed_at', 'closedAt')},
  ${ms('p.settled_at', 'settledAt')}, o.occupied, p.past_consumed + o.consumed as consumed, p.past_released + o.released as released, o.rows
from backstitch.occupancy_pools p, lateral (
  select coalesce(sum(units) filter (where state = 'occupied'), 0)::float8 as occupied,
    coalesce(sum(units) filter (where state = 'consumed'), 0)::float8 as consumed,
    coalesce(sum(units) filter (where state = 'released'), 0)::float8 as released,
    count(*) filter (where state = 'occupied')::float8 as rows
  from backstitch.occupancy where pool = p.pool
) o
where p.pool > $1 and p.pool = coalesce($3, p.pool)
order by p.pool limit $2::integer`;

export const terms = 'select terms::text as terms from backstitch.occupancy_pools where pool = $1';

const row = `id, pool, holder, units, state, ${ms('occupied_at', 'occupiedAt')}, ${ms('due_at', 'dueAt')}, ${ms('ended_at', 'endedAt')}`;

export const look = `select ${row} from backstitch.occupancy where id = any($1::text[]) order by id`;

/** What is due, after the place `$1`, `$2`, at most `$3`. `now()`, as an index is not used for what changes within a statement. */
export const due = `
select ${row}, due_at::text as place from backstitch.occupancy
where state = 'occupied' and due_at <= now() and (due_at, id) > ($1::timestamptz, $2)
order by due_at, id limit $3::integer`;

/** How long a row is waited for, in milliseconds: one that somebody keeps is found by going one by one, and holds up no other. */
const LOCK_MS = 1_000;

const moving = (of: string, state: string) => `limits as materialized (
  select set_config('lock_timeout', '${LOCK_MS}', true)
), due as materialized (
  select o.id from limits, backstitch.occupancy o where ${of} and o.state = 'occupied' order by o.id for no key update of o
), moved as (
  update backstitch.occupancy o set state = '${state}', ended_at = clock_timestamp() from due
  where o.id = due.id and o.state = 'occupied'
  returning o.id, o.units
)`;

/** Consumes those of `$1` that are occupied. */
export const consume = `with ${moving('o.id = any($1::text[])', 'consumed')} select id from moved`;

/** Releases those of `$2` that are occupied, and gives their units back to the pool `$1`. */
export const release = `
with ${moving('o.pool = $1 and o.id = any($2::text[])', 'released')}, back as (
  update backstitch.occupancy_pools set free = free + (select sum(units) from moved)
  where pool = $1 and exists (select from moved)
)
select id from moved`;

export const close = `
update backstitch.occupancy_pools set closed_at = coalesce(closed_at, clock_timestamp()) where pool = $1 returning pool`;

/** Pools that are closed, of which nothing is occupied any more, and which were not settled: at most `$1`. */
export const settleable = `
select pool from backstitch.occupancy_pools p
where closed_at is not null and settled_at is null
  and not exists (select from backstitch.occupancy o where o.pool = p.pool and o.state = 'occupied')
order by pool limit $1::integer`;

/** Settles one of those. No row: it is none, or was settled. */
export const settle = `
update backstitch.occupancy_pools p set returned = free, free = 0, settled_at = clock_timestamp()
where pool = $1 and closed_at is not null and settled_at is null
  and not exists (select from backstitch.occupancy o where o.pool = p.pool and o.state = 'occupied')
returning returned, terms::text as terms`;
