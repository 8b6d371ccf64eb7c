import type { Migration } from '../migrate.js';

/** The compensation log's tables, in the operations database. */
export const logMigrations: readonly Migration[] = [
  {
    name: '001-log',
    sql: `
create table backstitch.log (
  gid text not null,
  source text not null check (source in ('guard', 'history')),
  -- guard: the service; history: the run's id
  origin text not null,
  -- guard: phase and branch; history: the call or the event. What is collected again meets its entry here.
  item text not null,
  seq integer,
  branch text,
  op text not null,
  outcome text not null,
  function text,
  input jsonb,
  result jsonb,
  failure jsonb,
  driver text,
  who text,
  attempt integer,
  began_at timestamptz not null,
  ended_at timestamptz,
  -- Of two tellings of one entry the later counts: begun later, or at last definite, or of a higher version.
  final boolean not null,
  version numeric not null,
  collected_at timestamptz not null default clock_timestamp(),
  primary key (gid, source, origin, item)
);

-- How far each source has been collected.
create table backstitch.log_cursors (
  source text primary key,
  -- Raised with every move: of two collectors that read the same, one moves.
  version bigint not null default 0,
  -- Which database it was: another one under the same name is collected from its beginning.
  identity text,
  -- All that was visible in this snapshot (guards), or had happened by this time (histories), has been collected.
  done text,
  -- The snapshot that the collection under way goes up to, and the last row that it has collected.
  target text,
  position jsonb,
  collected_at timestamptz
);

-- Runs whose history was read, or could not be.
create table backstitch.log_runs (
  run_id text primary key,
  gid text not null,
  -- Its history has ended and was read to the end.
  closed boolean not null,
  closed_at timestamptz,
  -- What was seen of an open run from outside: when that changes, its history is read again.
  seen text not null,
  failures integer not null default 0,
  checked_at timestamptz not null default clock_timestamp(),
  due_at timestamptz not null default clock_timestamp()
);
create index log_runs_open on backstitch.log_runs (checked_at) where not closed;
create index log_runs_closed on backstitch.log_runs (closed_at) where closed;`,
  },
  {
    name: '002-log-collected',
    sql: `
-- What is old is found, and removed.
create index log_collected on backstitch.log (collected_at);`,
  },
  {
    name: '003-log-sagas',
    sql: `
-- The sagas of a state machine are found by its id, as in the guards: theirs is that, a dot, and more.
create index log_sagas on backstitch.log (gid collate "C") where strpos(gid, '.') > 0;`,
  },
];
