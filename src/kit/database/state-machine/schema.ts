import { named } from './names.js';

/**
 * The statement that makes a table of moves, for a migration of the service that has the rows: who moved what when, by which event and
 * request, from where to where. A request moves an object once, for ever.
 *
 * @param table its name, such as `order_moves`
 */
export function machineMovesTable(table: string): string {
  return `
create table ${named(table)} (
  id text not null,
  -- How often the object had moved then, this move included.
  version integer not null,
  event text not null,
  request_id text not null,
  from_state text not null,
  to_state text not null,
  actor text,
  reason text,
  -- By the clock of the workflow that decided it, and by the database's own.
  moved_at timestamptz not null,
  written_at timestamptz not null default clock_timestamp(),
  primary key (id, version),
  unique (id, request_id)
)`;
}
