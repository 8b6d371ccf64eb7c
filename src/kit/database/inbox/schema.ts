import type { Migration } from '../migrate.js';

/** The inbox's tables, in the consumer's own database. Apply them under the component `inbox`. */
export const inboxMigrations: readonly Migration[] = [
  {
    name: '001-inbox',
    sql: `
-- What was handled: the row is written in the SQL transaction of the work.
create table backstitch.inbox (
  consumer text not null,
  message_id text not null,
  source text not null,
  seq bigint not null,
  topic text not null,
  key text,
  -- Of source, topic, key and payload.
  content_hash text not null,
  outcome text not null check (outcome in ('applied', 'rejected')),
  result jsonb,
  failure jsonb,
  -- The delivery that it was handled in.
  attempt integer not null,
  handled_at timestamptz not null default clock_timestamp(),
  primary key (consumer, message_id)
);
create index inbox_handled on backstitch.inbox (handled_at);

-- For consumers in order: the highest number of a key that was handled. Whoever handles a message of the key locks it.
create table backstitch.inbox_keys (
  consumer text not null,
  source text not null,
  key text not null,
  last_seq bigint not null,
  primary key (consumer, source, key)
) with (fillfactor = 70);

-- Up to which number of a source messages may have been handled though no row is there any more: they were forgotten, or
-- came before the consumer was there.
create table backstitch.inbox_sources (
  consumer text not null,
  source text not null,
  seq bigint not null,
  primary key (consumer, source)
);`,
  },
];
