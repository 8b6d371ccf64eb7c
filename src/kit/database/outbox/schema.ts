import type { Migration } from '../migrate.js';

/** The outbox's tables, in the producer's own database. Apply them under the component `outbox`. */
export const outboxMigrations: readonly Migration[] = [
  {
    name: '001-outbox',
    sql: `
create sequence backstitch.outbox_seq as bigint;

-- What is to be delivered, in the order of its numbers. Rows are inserted and deleted, never updated: nothing but its key is
-- indexed, and a poll reads from the front of that, however much waits behind.
create table backstitch.outbox (
  -- The subscriber and the partition: what one relay delivers.
  stream text not null,
  seq bigint not null,
  id text not null,
  topic text not null,
  key text,
  payload json,
  added_at timestamptz not null default clock_timestamp(),
  primary key (stream, seq)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000, autovacuum_vacuum_cost_delay = 0);

-- A lane is what waits out of that order: a key whose first message could not be delivered, with all behind it; or one message
-- by itself (no key, or to be delivered later).
create table backstitch.outbox_lanes (
  stream text not null,
  -- 'k:' and the key, or 's:' and the number of its only message
  lane text not null,
  -- When its first message is tried (again); null: it is a dead letter.
  due_at timestamptz,
  -- Of its first message.
  attempts integer not null default 0,
  failed_at timestamptz,
  error text,
  dead_at timestamptz,
  primary key (stream, lane)
);
create index outbox_lanes_due on backstitch.outbox_lanes (stream, due_at) where due_at is not null;
create index outbox_lanes_dead on backstitch.outbox_lanes (dead_at) where dead_at is not null;

create table backstitch.outbox_parked (
  stream text not null,
  lane text not null,
  seq bigint not null,
  id text not null,
  topic text not null,
  key text,
  payload json,
  added_at timestamptz not null,
  primary key (stream, lane, seq)
);

-- The number of the message of a key that was delivered last, for what has to know what comes before a message.
create table backstitch.outbox_last (
  stream text not null,
  key text not null,
  seq bigint not null,
  at timestamptz not null,
  primary key (stream, key)
) with (fillfactor = 70);

-- Who delivers a stream: the newest has the highest epoch, and one that has another's ends.
create table backstitch.outbox_relays (
  stream text primary key,
  epoch bigint not null,
  owner text not null,
  since timestamptz not null default clock_timestamp()
);

-- What persons have decided about dead letters.
create table backstitch.outbox_decisions (
  stream text not null,
  seq bigint not null,
  at timestamptz not null default clock_timestamp(),
  action text not null check (action in ('resent', 'discarded', 'skipped')),
  actor text not null,
  reason text not null,
  -- Of what was discarded, which is nowhere else any more.
  message jsonb,
  error text,
  primary key (stream, seq, at)
);

-- What was delivered, a table for each day: they are dropped whole, which leaves nothing to be cleaned.
create table backstitch.outbox_delivered (
  stream text not null,
  seq bigint not null,
  id text not null,
  topic text not null,
  key text,
  payload json,
  added_at timestamptz not null,
  delivered_at timestamptz not null
) partition by range (delivered_at);`,
  },
  {
    name: '002-outbox-bytes',
    sql: `
-- Of the payload's JSON; null where it was added before, or has none. So a look knows without reading it how large it is.
alter table backstitch.outbox add column bytes integer;
alter table backstitch.outbox_parked add column bytes integer;`,
  },
  {
    name: '003-outbox-told',
    sql: `
-- Since when its first message is tried on though its window is over; and of which time (that, or dead_at) an alarm was raised. What is
-- a dead letter by now may have been told of or not: it is told once more.
alter table backstitch.outbox_lanes add column late_at timestamptz, add column told_at timestamptz;
create index outbox_lanes_untold on backstitch.outbox_lanes (stream, greatest(dead_at, late_at))
  where greatest(dead_at, late_at) > coalesce(told_at, '-infinity');`,
  },
  {
    name: '004-outbox-failed',
    sql: `
-- What could not be delivered is looked for by persons, among all that waits for its day.
create index outbox_lanes_failed on backstitch.outbox_lanes (failed_at) where failed_at is not null;`,
  },
  {
    name: '005-outbox-remove',
    sql: `
-- What is to be delivered later is taken back by its id.
create index outbox_parked_id on backstitch.outbox_parked (id);`,
  },
  {
    name: '006-outbox-decided',
    sql: `
-- What persons have decided of messages is looked for by the transaction that their id begins with.
create index outbox_decisions_gid on backstitch.outbox_decisions (split_part(message->>'id', '/', 1));`,
  },
];
