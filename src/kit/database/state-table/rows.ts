import type { DeskNote } from '../../workflow/desk.js';
import type { State, StateFailure, StateRow, StoredCall } from '../../workflow/state-table/row.js';

/** A row as it is read: JSON travels as text, so that every client reads it alike. */
export interface ReadRow {
  readonly gid: string;
  readonly state: State;
  readonly done: number;
  readonly calls: string;
  readonly twoStates: boolean;
  readonly inputHash: string;
  readonly results: string;
  readonly failure: string | null;
  readonly decisions: string;
  readonly rounds: number;
  readonly driver: string;
  readonly createdAt: number;
  readonly dueAt: number | null;
  readonly endedAt: number | null;
}

const ms = (column: string, name: string) => `(extract(epoch from ${column}) * 1000)::float8 as "${name}"`;

/** What is read of a row. @param of its name in the statement */
export const columnsOf = (of: string) => `${of}.gid, ${of}.state, ${of}.done, ${of}.calls::text as calls,
  ${of}.two_states as "twoStates", ${of}.input_hash as "inputHash", ${of}.results::text as results,
  ${of}.failure::text as failure, ${of}.decisions::text as decisions, ${of}.rounds, ${of}.driver,
  ${ms(`${of}.created_at`, 'createdAt')}, ${ms(`${of}.due_at`, 'dueAt')}, ${ms(`${of}.ended_at`, 'endedAt')}`;

export function rowOf({ calls, results, failure, decisions, dueAt, endedAt, ...row }: ReadRow): StateRow {
  return {
    ...row,
    calls: JSON.parse(calls) as StoredCall[],
    results: JSON.parse(results) as unknown[],
    decisions: JSON.parse(decisions) as DeskNote[],
    ...(failure !== null && { failure: JSON.parse(failure) as StateFailure }),
    ...(dueAt !== null && { dueAt }),
    ...(endedAt !== null && { endedAt }),
  };
}
