import { toJson, toLog } from '../guard/json.js';
import { limitsOf as statementLimits } from '../guard/limits.js';
import { messageOf } from '../message.js';
import type { Database } from '../sql.js';
import { callOperation, type Caller, type StateOperation } from './call.js';
import type { StateLimits } from './limits.js';
import { rowOf, type ReadRow } from './rows.js';
import type { StateFailure, StateRow } from '../../workflow/state-table/row.js';
import { stateAt } from './states.js';
import * as statements from './statements.js';

/** What a table is made of. */
export interface TableOf {
  readonly database: Database;
  readonly operations: ReadonlyMap<string, StateOperation>;
  readonly limits: StateLimits;
  readonly who: string;
}

/** How far a drive has come: the row as it is then, and why it has not ended, if so. */
export interface Drive {
  readonly row: StateRow;
  /** Absent: the row says it all. */
  readonly failure?: StateFailure;
  /** The operation that has failed, if it was one. */
  readonly operation?: string;
  /** Of two states: what the operations returned that are done since, and that the row does not say. */
  readonly results?: readonly unknown[];
}

/** Runs a statement that moves a row. @returns the row as it is then, unless it was not where the statement believed it */
export async function moved(
  { database, limits }: Pick<TableOf, 'database' | 'limits'>,
  text: string,
  values: readonly unknown[],
): Promise<StateRow[]> {
  const timeoutMs = limits.statementMs;
  const rows = await database.run<ReadRow>(text, [...values, ...statementLimits({ timeoutMs })], timeoutMs);
  return rows.map(rowOf);
}

export async function readRow({ database, limits }: TableOf, gid: string): Promise<StateRow | undefined> {
  const [row] = await database.run<ReadRow>(statements.read, [gid], limits.statementMs);
  return row && rowOf(row);
}

/**
 * Calls the operations of a row from where it is, one after the other, and moves it. Any number of drives may be at one row:
 * an operation is idempotent, and whoever finds the row moved by another one goes on from there.
 *
 * Never rejects: where the table itself cannot be used, it is as if an operation were not known to be done.
 */
export async function drive(table: TableOf, from: StateRow, caller: Caller): Promise<Drive> {
  let row = from;
  // Of two states: what is done and not written.
  let results: unknown[] = [];
  while (row.endedAt === undefined && (row.state !== 'error' || caller.forPerson === true)) {
    const index = row.done + results.length;
    const work = table.operations.get(row.calls[index]?.operation ?? '');
    const called = await callOperation(work, row, index, caller, table.limits);
    try {
      if (called.known === 'done') {
        results.push(called.result);
        // A person who has it sees how far it is.
        if (row.twoStates && row.state !== 'error' && index + 1 < row.calls.length) continue;
        row = await write(table, row, results);
        results = [];
        continue;
      }
      const operation = row.calls[index]?.operation;
      if (!called.isFinal) return { row, failure: called.failure, operation, results };
      const [refused] = await refuse(table, row, results, called.failure);
      if (refused !== undefined) return { row: refused };
      // Somebody else has moved it.
      results = [];
      row = (await readRow(table, row.gid)) ?? gone(row);
      if (row.endedAt === undefined) return { row, failure: called.failure };
    } catch (error) {
      const message = `the state table cannot be used: ${messageOf(error)}`;
      return { row, failure: { known: 'unknown', type: 'TableUnavailable', message } };
    }
  }
  return { row };
}

/**
 * Moves a row by the operations that are done since. Where somebody else has moved it by some of them, such as a round of two states that
 * has failed at a later one, by the rest.
 *
 * @returns the row as it is then
 */
async function write(table: TableOf, from: StateRow, results: readonly unknown[]): Promise<StateRow> {
  let row = from;
  let rest = results;
  for (;;) {
    const [further] = await advance(table, row, rest);
    if (further !== undefined) return further;
    const found = (await readRow(table, row.gid)) ?? gone(row);
    rest = rest.slice(found.done - row.done);
    if (found.endedAt !== undefined || found.done === row.done || rest.length === 0) return found;
    row = found;
  }
}

/** Moves a row by the operations that are done since. */
export function advance(table: TableOf, row: StateRow, results: readonly unknown[]): Promise<StateRow[]> {
  const { gid, done, calls } = row;
  const further = done + results.length;
  return moved(table, statements.advance, [gid, done, further, stateAt(further, calls.length), listOf(results)]);
}

/** A definite no of the first operation: nothing has happened. Else, and where a branch is another's, a person has to see to it. */
function refuse(
  table: TableOf,
  { gid, done, calls }: StateRow,
  results: readonly unknown[],
  failure: StateFailure,
): Promise<StateRow[]> {
  const further = done + results.length;
  const renewed = calls[further]?.renewed ?? 0;
  if (further === 0 && failure.known === 'refused') {
    return moved(table, statements.refuse, [gid, toLog(failure), renewed]);
  }
  return moved(table, statements.fail, [gid, done, further, listOf(results), toLog(failure), renewed]);
}

/** @throws UnstorableResult */
export function listOf(results: readonly unknown[]): string {
  return `[${results.map((result) => toJson(result) ?? 'null').join(',')}]`;
}

/** A row is removed only when it has ended long ago. */
function gone(row: StateRow): never {
  throw new Error(`the row of ${row.gid} is not there any more`);
}
