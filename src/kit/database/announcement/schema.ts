import type { Migration } from '../migrate.js';

/** What the guard's schema gets for transactions that are driven outside Temporal. */
export const announcementMigrations: readonly Migration[] = [
  {
    name: '004-fate',
    sql: `
-- The final decision of a transaction, with its first step: where duplicates of it look. Null while it runs, and for
-- transactions whose history Temporal has.
alter table backstitch.guard add column fate jsonb;
alter table backstitch.guard add column fate_at timestamptz;
create index guard_fate on backstitch.guard (fate_at) where fate_at is not null;`,
  },
  {
    name: '005-announcements',
    sql: `
-- A transaction that a caller's process drives, from its first step to its end. A few at a time, many a second: what is
-- dead has to go before it piles up.
create table backstitch.announcements (
  gid text primary key,
  -- The step that announced it; null: a workflow took the transaction over before any step was there.
  branch text,
  start json,
  owner text not null,
  state text not null default 'running' check (state in ('running', 'undoing')),
  began_at timestamptz not null default clock_timestamp(),
  take_over_at timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);`,
  },
  {
    name: '006-opened',
    sql: `
-- A transaction that a group has opened: one at a time has its gid, whatever its first step is.
create unique index guard_opened on backstitch.guard (gid) where phase = 1 and fate->>'state' in ('running', 'undoing');`,
  },
  {
    name: '007-run',
    sql: `
-- The run of the workflow that has taken it over: the end of any other run of the gid is not its end.
alter table backstitch.announcements add column run text;`,
  },
  {
    name: '008-cause',
    sql: `
-- Why it is undone.
alter table backstitch.announcements add column cause json;
-- It is as large as it has to be at its busiest: a table that is cut back makes plans that read all of it when it has grown.
alter table backstitch.announcements set (vacuum_truncate = off);`,
  },
];
