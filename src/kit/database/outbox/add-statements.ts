/**
 * The statements that add messages.
 *
 * The keys' locks are taken first, in one order, and the numbers after that: a transaction that waited for a lock gets a higher
 * number than the one that it waited for. They are advisory locks, which end with the transaction, prepared or not.
 *
 * Who waits for a wake-up hears of it at the commit; a transaction that is to be prepared cannot notify, and says so by a setting.
 */

/** Where the wake-ups go: the payload is the stream. */
export const CHANNEL = 'backstitch_outbox';

/** Set for a transaction that is to be prepared. */
export const PREPARED_SETTING = 'backstitch.prepared';

/** Streams, ids, topics, keys, payloads, places. */
export const add = `
with given as materialized (
  select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[])
    as g (stream, id, topic, key, payload, place)
), locks as materialized (
  select pg_advisory_xact_lock(hash) from (
    select distinct hashtextextended(key, 7263902) as hash from given where key is not null order by 1
  ) keys
), numbered as materialized (
  select given.*, nextval('backstitch.outbox_seq') as seq
  from (select * from given where (select count(*) from locks) >= 0 order by place) given
), added as (
  insert into backstitch.outbox (stream, seq, id, topic, key, payload, bytes)
  select stream, seq, id, topic, key, payload::json, octet_length(payload) from numbered
), woken as (
  select pg_notify('${CHANNEL}', stream) from (select distinct stream from given) streams
  where coalesce(current_setting('${PREPARED_SETTING}', true), '') <> 'on'
)
select count(*) from woken`;

/** The same, and when each is due, in milliseconds since 1970. Nobody is woken: a relay looks at the times itself. */
export const addLater = `
with given as materialized (
  select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::double precision[])
    as g (stream, id, topic, key, payload, place, due)
), numbered as materialized (
  select given.*, nextval('backstitch.outbox_seq') as seq from (select * from given order by place) given
), lanes as (
  insert into backstitch.outbox_lanes (stream, lane, due_at)
  select stream, 's:' || seq, to_timestamp(due / 1000) from numbered
)
insert into backstitch.outbox_parked (stream, lane, seq, id, topic, key, payload, bytes, added_at)
select stream, 's:' || seq, seq, id, topic, key, payload::json, octet_length(payload), clock_timestamp() from numbered`;
