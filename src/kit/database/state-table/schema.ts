import type { Migration } from '../migrate.js';

/** The state table, in the caller's own database. */
export const stateTableMigrations: readonly Migration[] = [
  {
    name: '001-state-table',
    sql: `
create table backstitch.state_table (
  gid text collate "C" primary key,
  -- init, a_done, b_done, …, success: by how many operations are done; or refused, error, left.
  state text not null default 'init',
  -- How many operations are known to be done; with two states it is written at the end only.
  done integer not null default 0 check (done >= 0),
  -- The operations in their order, each with its branch and input, as they were given.
  calls json not null,
  two_states boolean not null,
  input_hash text not null,
  -- What the operations that are done returned, in their order.
  results jsonb not null default '[]',
  -- The last failure; of refused, error and left: why.
  failure jsonb,
  -- What persons have decided.
  decisions jsonb not null default '[]',
  -- Rounds of the scan that were begun.
  rounds integer not null default 0,
  -- Who has called last, or does.
  driver text not null,
  created_at timestamptz not null,
  -- When the scan comes to it, to call the operations or to take it to the desk. Null: it has ended, or is at the desk.
  due_at timestamptz,
  ended_at timestamptz,
  constraint state_table_ended check ((state in ('success', 'refused', 'left')) = (ended_at is not null)),
  constraint state_table_not_due check (ended_at is null or due_at is null)
);
create index state_table_due on backstitch.state_table (due_at) where due_at is not null;
create index state_table_open on backstitch.state_table (gid) where ended_at is null;
create index state_table_ended on backstitch.state_table (ended_at) where ended_at is not null;`,
  },
  {
    name: '002-at-desk',
    sql: `
-- A person has it: whoever ends it tells nobody, so the scan does.
alter table backstitch.state_table add column at_desk boolean not null default false;
create index state_table_at_desk on backstitch.state_table (gid) where at_desk and ended_at is not null;`,
  },
];
