import type { Migration } from '../migrate.js';

/** The tables of markers and of execution records. Apply them under the component `idempotency`. */
export const idempotencyMigrations: readonly Migration[] = [
  {
    name: '001-idempotency',
    sql: `
-- Something was begun that must not be done twice for a while. Who has set it may take it back.
create table backstitch.markers (
  key text collate "C" primary key,
  owner text not null,
  set_at timestamptz not null,
  expires_at timestamptz not null
);
create index markers_expires on backstitch.markers (expires_at);

-- The executions of tasks: one row for each task and business id, however often it is executed.
create table backstitch.executions (
  task text collate "C" not null,
  business_id text collate "C" not null,
  state text not null check (state in ('PROCESSING', 'SUCCESS', 'FAILED')),
  -- Which execution it is: raised by whoever takes it over, so that one that was taken over writes nothing any more.
  attempt integer not null default 1,
  started_at timestamptz not null,
  ended_at timestamptz,
  result jsonb,
  failure jsonb,
  primary key (task, business_id),
  constraint executions_ended check ((state = 'PROCESSING') = (ended_at is null))
) with (fillfactor = 80);
create index executions_ended on backstitch.executions (ended_at) where ended_at is not null;`,
  },
  {
    name: '002-execution-owner',
    sql: `
-- Whose execution it is: one call of the program, which takes it again if it did not hear that it had it.
alter table backstitch.executions add column owner text;`,
  },
];
