import { BYTES, EXACT, MS } from './columns.js';

/**
 * The statements of who delivers a stream. Each that parks or drains a lane locks the lane's row, so that none is lost between a
 * lane that ends and a message that comes to it.
 */

const MESSAGE = (of: string) =>
  `${of}.seq::text, ${of}.id, ${of}.topic, ${of}.key, ${MS(`${of}.added_at`)} as "addedAt"`;

/** When there was something to be told of a lane; and that it was not told yet, as the index has it. */
const TROUBLE_AT = (of: string) => `greatest(${of}.dead_at, ${of}.late_at)`;
const UNTOLD = (of: string) => `${TROUBLE_AT(of)} > coalesce(${of}.told_at, '-infinity')`;

/** A stream, and who delivers it from now on. */
export const takeOver = `
insert into backstitch.outbox_relays as relay (stream, epoch, owner) values ($1, 1, $2)
on conflict (stream) do update set epoch = relay.epoch + 1, owner = excluded.owner, since = clock_timestamp()
returning epoch::text`;

/**
 * Whose it is; in how many milliseconds the next lane is due; whether there is something to be told. Each in an order that its index has:
 * all that wait for their day would be looked at otherwise.
 */
export const tend = `
select (select epoch::text from backstitch.outbox_relays where stream = $1) as epoch,
  (select ${MS('due_at - clock_timestamp()')} from backstitch.outbox_lanes
   where stream = $1 and due_at is not null order by due_at limit 1) as due,
  coalesce((select true from backstitch.outbox_lanes l
   where l.stream = $1 and ${UNTOLD('l')} order by ${TROUBLE_AT('l')} limit 1), false) as "isUntold"`;

/**
 * So many from the front, but for these keys; whether the key of each is a lane. There is no number from which on it would be enough
 * to look: a transaction that commits late may have numbers on both sides of any, and those below come first.
 *
 * Payloads are read of what may go: not of what waits behind a lane, or is known to wait for one of its key ($5) or to be on its way
 * itself ($6); of one key up to so many bytes ($8), and of all up to so many ($7), the first in any case.
 */
export const poll = `
select ${MESSAGE('o')}, case when o."isRead" then o.payload::text end as payload, o."isRead", o.size as bytes, o.held, o.after
from (
  select w.*, may and sum(case when may then size else 0 end) over (order by seq) - size < $7::bigint as "isRead"
  from (
    select f.*, not waits and sum(size) over (partition by coalesce('k:' || key, 's:' || seq) order by seq) - size < $8::bigint as may
    from (
      select o.*, ${BYTES('o')} as size, lanes.lane is not null as held, last.seq::text as after,
        lanes.lane is not null or coalesce(o.key in (select unnest($5::text[])), false)
          or o.seq in (select unnest($6::bigint[])) as waits
      from (
        select * from backstitch.outbox where stream = $1 and (key is null or key <> all ($4::text[])) order by seq limit $2
      ) o
      left join backstitch.outbox_lanes lanes on lanes.stream = $1 and lanes.lane = 'k:' || o.key
      left join backstitch.outbox_last last on $3::boolean and last.stream = $1 and last.key = o.key
    ) f
  ) w
) o
order by o.seq`;

/**
 * Lanes that are due, but for these; of each so many messages from its first, with so many bytes, the first in any case. `now()`, as an
 * index is not used for what changes within a statement: all that wait for their day would be looked at. Who locks one may be about to
 * remove it: it is passed.
 *
 * @param messages of each lane, as a number of the text: of a limit that it does not know PostgreSQL expects a tenth of all that waits, and
 * plans the statement anew each time
 */
export const due = (messages: number) => `
select l.lane, l.attempts, ${MS('clock_timestamp() - l.failed_at')} as "failedForMs", ${MESSAGE('p')}, p.payload::text as payload,
  last.seq::text as after
from (
  select * from backstitch.outbox_lanes
  where stream = $1 and due_at <= now() and lane <> all ($2::text[]) order by due_at limit $3
  for key share skip locked
) l
cross join lateral (
  select first.*, sum(${BYTES('first')}) over (order by seq) - ${BYTES('first')} as before from (
    select * from backstitch.outbox_parked parked where parked.stream = l.stream and parked.lane = l.lane order by seq limit ${Math.trunc(messages)}
  ) first
) p
left join backstitch.outbox_last last on $4::boolean and last.stream = $1 and last.key = p.key
where p.before < $5::bigint
order by l.due_at, l.lane, p.seq`;

const keep = (isKept: boolean, gone: string) =>
  isKept
    ? `insert into backstitch.outbox_delivered (stream, seq, id, topic, key, payload, added_at, delivered_at)
  select stream, seq, id, topic, key, payload, added_at, clock_timestamp() from ${gone}`
    : `select from ${gone}`;
const remember = (isLinked: boolean, gone: string) =>
  isLinked
    ? `, last as (
  insert into backstitch.outbox_last as last (stream, key, seq, at)
  select stream, key, max(seq), clock_timestamp() from ${gone} where key is not null group by stream, key
  on conflict (stream, key) do update set seq = greatest(last.seq, excluded.seq), at = excluded.at
)`
    : '';

/** What has become of what was delivered: kept or not, remembered or not. */
export interface Ways {
  readonly isKept: boolean;
  /** Whether a message is told what came before it. */
  readonly isLinked: boolean;
}

/** These numbers were delivered. */
export const removed = ({ isKept, isLinked }: Ways) => `
with gone as (
  delete from backstitch.outbox where stream = $1 and seq = any ($2::bigint[]) returning *
)${remember(isLinked, 'gone')}
${keep(isKept, 'gone')}`;

/** The same of what was parked. */
export const drained = ({ isKept, isLinked }: Ways) => `
with gone as (
  delete from backstitch.outbox_parked where stream = $1 and lane = $2 and seq = any ($3::bigint[]) returning *
)${remember(isLinked, 'gone')}
${keep(isKept, 'gone')}`;

/** These numbers wait behind their keys' lanes. A lane that has ended meanwhile begins anew, due at once. */
export const park = `
with gone as (
  delete from backstitch.outbox where stream = $1 and seq = any ($2::bigint[]) returning *
), parked as (
  insert into backstitch.outbox_parked (stream, lane, seq, id, topic, key, payload, bytes, added_at)
  select stream, coalesce('k:' || key, 's:' || seq), seq, id, topic, key, payload, bytes, added_at from gone
)
insert into backstitch.outbox_lanes as lane (stream, lane, due_at)
select stream, coalesce('k:' || key, 's:' || seq), clock_timestamp() from gone group by 1, 2 order by 2
on conflict (stream, lane) do update set stream = excluded.stream`;

/**
 * The lane of a number that could not be delivered; its due time in milliseconds from now, or null: a dead letter. Those of its key that
 * were held up behind it go with it: what comes later must not get there before them.
 */
export const parkFailed = `
with gone as (
  delete from backstitch.outbox where stream = $1 and seq = any ($5::bigint[] || $2::bigint) returning *
), parked as (
  insert into backstitch.outbox_parked (stream, lane, seq, id, topic, key, payload, bytes, added_at)
  select stream, coalesce('k:' || key, 's:' || seq), seq, id, topic, key, payload, bytes, added_at from gone
)
insert into backstitch.outbox_lanes as lane (stream, lane, due_at, attempts, failed_at, error, dead_at)
select stream, lane, case when failed then clock_timestamp() + $3::float8 * interval '1 ms' else clock_timestamp() end,
  failed::integer, case when failed then clock_timestamp() end, case when failed then $4 end,
  case when failed and $3::float8 is null then clock_timestamp() end
from (
  -- Whoever else has removed the one that failed: what was behind it is never without a lane.
  select stream, coalesce('k:' || key, 's:' || seq) as lane, bool_or(seq = $2) as failed from gone group by 1, 2
) lanes
on conflict (stream, lane) do update set due_at = excluded.due_at, attempts = excluded.attempts, failed_at = excluded.failed_at,
  error = excluded.error, dead_at = excluded.dead_at, late_at = null, told_at = null
where lane.dead_at is null`;

export const lockLane = 'select from backstitch.outbox_lanes where stream = $1 and lane = $2 for update';

/** The first of a lane could not be delivered (again). Nothing, if another is the first by now. */
export const failedAgain = `
update backstitch.outbox_lanes set
  attempts = case when $6::boolean then 1 else attempts + 1 end,
  failed_at = case when $6::boolean then clock_timestamp() else coalesce(failed_at, clock_timestamp()) end,
  due_at = clock_timestamp() + $4::float8 * interval '1 ms',
  dead_at = case when $4::float8 is null then clock_timestamp() end,
  error = $5,
  late_at = case when $6::boolean then null when $7::boolean then coalesce(late_at, clock_timestamp()) else late_at end,
  told_at = case when $6::boolean then null else told_at end
where stream = $1 and lane = $2 and dead_at is null
  and $3::bigint = (select min(seq) from backstitch.outbox_parked where stream = $1 and lane = $2)`;

/** A lane goes on with what is the first now, or ends as nothing is left. */
export const goOn = `
with ended as (
  delete from backstitch.outbox_lanes
  where stream = $1 and lane = $2 and not exists (select from backstitch.outbox_parked where stream = $1 and lane = $2)
)
update backstitch.outbox_lanes set due_at = clock_timestamp(), attempts = 0, failed_at = null, error = null, dead_at = null,
  late_at = null, told_at = null
where stream = $1 and lane = $2 and exists (select from backstitch.outbox_parked where stream = $1 and lane = $2)`;

/** Lanes of which something is to be told: so many, the oldest first. */
export const untold = `
select l.lane, ${EXACT(TROUBLE_AT('l'))} as state, l.dead_at is not null as "isDead",
  ${MS(TROUBLE_AT('l'))} as at, ${MS(`coalesce(l.failed_at, ${TROUBLE_AT('l')})`)} as since, coalesce(l.error, '') as error,
  p.seq::text, p.id, p.topic, p.key
from backstitch.outbox_lanes l
cross join lateral (
  select * from backstitch.outbox_parked parked where parked.stream = l.stream and parked.lane = l.lane order by seq limit 1
) p
where l.stream = $1 and ${UNTOLD('l')} order by ${TROUBLE_AT('l')} limit $2`;

/** It was told: of that time, and not of what has come since. */
export const told = `
update backstitch.outbox_lanes l set told_at = ${TROUBLE_AT('l')}
where l.stream = $1 and l.lane = $2 and ${TROUBLE_AT('l')} = $3::timestamptz`;
