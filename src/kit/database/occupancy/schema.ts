import type { Migration } from '../migrate.js';

/** The tables of pools, and of what is occupied of them. Apply them under the component `occupancy`. */
export const occupancyMigrations: readonly Migration[] = [
  {
    name: '001-occupancy',
    sql: `
-- So many units of something. One row is what all who want some of it have to lock.
create table backstitch.occupancy_pools (
  pool text collate "C" primary key,
  units integer not null check (units >= 0),
  -- What nobody has.
  free integer not null,
  -- What was given back to whom the units came from, when the pool was settled.
  returned integer not null default 0 check (returned >= 0),
  -- How many one may occupy at once, and one holder in all; null: any number.
  most_at_once integer check (most_at_once > 0),
  most_per_holder integer check (most_per_holder > 0),
  -- How long units may be occupied until they are due to be reclaimed.
  hold_ms bigint not null check (hold_ms >= 0),
  -- The owner's: it comes with every answer.
  terms json not null,
  opened_at timestamptz not null default clock_timestamp(),
  closed_at timestamptz,
  settled_at timestamptz,
  constraint occupancy_pools_free check (free >= 0 and free + returned <= units),
  constraint occupancy_pools_settled check (settled_at is null or (closed_at is not null and free = 0))
) with (fillfactor = 50);

create table backstitch.occupancy (
  id text collate "C" primary key,
  pool text collate "C" not null,
  holder text collate "C" not null,
  units integer not null check (units > 0),
  state text not null default 'occupied' check (state in ('occupied', 'consumed', 'released')),
  occupied_at timestamptz not null,
  due_at timestamptz not null,
  ended_at timestamptz,
  constraint occupancy_ended check ((state = 'occupied') = (ended_at is null))
) with (fillfactor = 80);
create index occupancy_due on backstitch.occupancy (due_at, id) where state = 'occupied';
create index occupancy_held on backstitch.occupancy (pool, holder) include (units, state);

create function backstitch.occupancy_moves() returns trigger language plpgsql as $$
begin
  raise exception using errcode = 'restrict_violation',
    message = 'what is occupied is consumed or released, once, and changes by nothing else';
end $$;
create trigger occupancy_moves before update on backstitch.occupancy for each row
  when (old.state <> 'occupied' or (old.id, old.pool, old.holder, old.units, old.occupied_at)
    is distinct from (new.id, new.pool, new.holder, new.units, new.occupied_at))
  execute function backstitch.occupancy_moves();
create trigger occupancy_stays before delete on backstitch.occupancy for each row when (old.state = 'occupied')
  execute function backstitch.occupancy_moves();

-- Decides many at once, in their order: each by what those before it have left. One call is one SQL transaction, in which the pool's row
-- is locked from here to the commit, and for no round trip. Each statement of a volatile function sees what was committed before it,
-- so what is read under the lock is what there is.
create function backstitch.occupy(asked_pool text, asked json)
returns table (place integer, answer text, state text, at_ms float8, due_ms float8)
language plpgsql as $$
#variable_conflict use_column
declare
  pool backstitch.occupancy_pools;
  one record;
  found_row backstitch.occupancy;
  held bigint;
  taken integer := 0;
  now_at timestamptz;
begin
  select * into pool from backstitch.occupancy_pools p where p.pool = asked_pool;
  -- Where nothing can be taken nothing is locked, and nothing written: the many who come too late wait for nobody.
  if pool.free > 0 and pool.closed_at is null then
    select * into pool from backstitch.occupancy_pools p where p.pool = asked_pool for no key update;
  end if;
  now_at := clock_timestamp();
  for one in select * from json_to_recordset(asked) as a(place integer, id text, holder text, units integer) loop
    place := one.place;
    select * into found_row from backstitch.occupancy o where o.id = one.id;
    if found then
      answer := case when (found_row.pool, found_row.holder, found_row.units) = (asked_pool, one.holder, one.units)
        then 'occupied' else 'conflict' end;
    elsif pool.pool is null then
      answer := 'unknown';
    elsif pool.closed_at is not null then
      answer := 'closed';
    elsif one.units > pool.most_at_once then
      answer := 'too many';
    elsif one.units > pool.free - taken then
      answer := 'gone';
    else
      answer := 'occupied';
      if pool.most_per_holder is not null then
        select coalesce(sum(o.units), 0) into held from backstitch.occupancy o
        where o.pool = asked_pool and o.holder = one.holder and o.state <> 'released';
        if held + one.units > pool.most_per_holder then
          answer := 'too many';
        end if;
      end if;
      if answer = 'occupied' then
        insert into backstitch.occupancy as o (id, pool, holder, units, occupied_at, due_at)
        values (one.id, asked_pool, one.holder, one.units, now_at, now_at + pool.hold_ms * interval '1 millisecond')
        on conflict (id) do nothing returning o.* into found_row;
        if found then
          taken := taken + one.units;
        else
          -- Under the same id another pool's were occupied just now.
          answer := 'conflict';
        end if;
      end if;
    end if;
    if answer = 'occupied' then
      state := found_row.state;
      at_ms := extract(epoch from found_row.occupied_at) * 1000;
      due_ms := extract(epoch from found_row.due_at) * 1000;
    else
      state := null;
      at_ms := null;
      due_ms := null;
    end if;
    return next;
  end loop;
  if taken > 0 then
    update backstitch.occupancy_pools p set free = p.free - taken where p.pool = asked_pool;
  end if;
end $$;`,
  },
  {
    name: '002-occupancy-past',
    sql: `
-- Units of rows that were forgotten: the pool's sums go on.
alter table backstitch.occupancy_pools
  add column past_consumed bigint not null default 0 check (past_consumed >= 0),
  add column past_released bigint not null default 0 check (past_released >= 0);`,
  },
];
