import { announcementMigrations } from '../announcement/schema.js';
import type { Migration } from '../migrate.js';

/** The guard's table, in every participant's own database. */
export const guardMigrations: readonly Migration[] = [
  {
    name: '001-guard',
    sql: `
create table backstitch.guard (
  gid text not null,
  branch text not null,
  -- 1: action, try, prepare, or the bar of an undo that came first; 2: compensation, confirm or cancel, commit or rollback
  phase smallint not null check (phase in (1, 2)),
  op text not null,
  outcome text not null check (outcome in ('applied', 'empty', 'rejected', 'barred')),
  result jsonb,
  failure jsonb,
  input_hash text not null,
  input jsonb,
  driver text not null,
  seq integer not null,
  function text not null,
  who text not null,
  attempt integer not null,
  began_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  primary key (gid, branch, phase)
);
create index guard_ended on backstitch.guard (ended_at);`,
  },
  {
    name: '002-written',
    sql: `
-- The SQL transaction that wrote the row last: what collects rows reads all from the oldest that was still open when it
-- looked last, and so misses none. Unlike ended_at it never changes between insert and commit, which would cost an entry
-- of the index more.
alter table backstitch.guard add column written xid8 not null default pg_current_xact_id();
create index guard_written on backstitch.guard (written);
drop index backstitch.guard_ended;`,
  },
  {
    name: '003-intent',
    sql: `
-- An intent: committed before something is sent that no SQL transaction covers, and without an outcome until its answer
-- is stored. As ended_at is empty, it is never forgotten.
alter table backstitch.guard drop constraint guard_outcome_check;
alter table backstitch.guard add constraint guard_outcome_check
  check (outcome in ('applied', 'empty', 'rejected', 'barred', 'intent'));
-- How often it was begun with a new key: an undo that was refused for good is begun anew.
alter table backstitch.guard add column round integer not null default 1;
-- When it was sent first with this round's key, and until when an attempt may be sending it.
alter table backstitch.guard add column first_sent_at timestamptz;
alter table backstitch.guard add column sending_until timestamptz;`,
  },
  ...announcementMigrations,
  {
    name: '009-sagas',
    sql: `
-- The sagas of a state machine are found by its id: theirs is that, a dot, and more. No other row is in it.
create index guard_sagas on backstitch.guard (gid collate "C") where strpos(gid, '.') > 0;`,
  },
];
