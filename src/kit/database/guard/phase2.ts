import type { Operation } from '../../workflow/branch.js';
import { InputMismatch, RowGone } from '../rejection.js';
import type { Sql } from '../sql.js';
import type { Guarded, PhaseOptions } from './guard.js';
import { fromJson } from './json.js';
import { limitsOf } from './limits.js';
import { meet } from './meet.js';
import { finish, outbound, readRows, rowOf, SCAN_DRIVER, suspended, UNDOS, vanished, type StoredRow } from './rows.js';
import * as statements from './statements.js';

/**
 * Phase 2: the undo of what phase 1 did, or its confirm.
 */

/** What phase 2 finds of phase 1, and whether it claimed its own key. */
interface Phase2Row {
  readonly outcome: StoredRow['outcome'];
  readonly result: string | null;
  readonly claimed: boolean;
  /** An undo only: who wrote the row of phase 1. */
  readonly driver?: string;
  /** An undo only: phase 1 was applied with another input. */
  readonly foreignInput?: boolean;
}

/** An undo within the caller's own SQL transaction, which the caller must roll back when this throws. */
export async function guardUndo<Applied, Result>(
  sql: Sql,
  operation: Operation,
  input: unknown,
  work: (sql: Sql, applied: Applied) => Promise<Result>,
  options: PhaseOptions = {},
): Promise<Guarded<Result | undefined>> {
  return guardPhase2(statements.bar, sql, operation, input, work, options);
}

/** A confirm within the caller's own SQL transaction, which the caller must roll back when this throws. */
export async function guardConfirm<Applied, Result>(
  sql: Sql,
  operation: Operation,
  input: unknown,
  work: (sql: Sql, applied: Applied) => Promise<Result>,
  options: PhaseOptions = {},
): Promise<Guarded<Result>> {
  const guarded = await guardPhase2(statements.follow, sql, operation, input, work, options);
  return guarded as Guarded<Result>;
}

async function guardPhase2<Applied, Result>(
  statement: string,
  sql: Sql,
  operation: Operation,
  input: unknown,
  work: (sql: Sql, applied: Applied) => Promise<Result>,
  options: PhaseOptions,
): Promise<Guarded<Result | undefined>> {
  const { last = sql } = options;
  const row = rowOf(operation, input, options.mask);
  const values = [...row, ...limitsOf(operation)];
  const undo = statement === statements.bar;
  const [first] = await sql<Phase2Row>(statement, undo ? [...values, operation.corrected === true] : values);
  // What another has done who still has the transaction is not this driver's to undo. In a statement of its own: an
  // announcement that the first one may have waited for is seen by it.
  if (undo && first !== undefined && first.driver !== operation.driver) {
    meet(operation, await readRows(sql, operation));
  }
  if (first?.foreignInput === true) throw new InputMismatch(operation);
  if (first?.outcome === 'intent') throw outbound(operation);
  if (first?.claimed !== true) return readPhase2<Result>(last, operation, row[3]);
  if (first.outcome !== 'applied') {
    if (operation.succeeded) throw new RowGone(operation);
    return { outcome: 'empty', result: undefined };
  }
  const result = await work(sql, fromJson(first.result) as Applied);
  return { outcome: 'applied', result: await finish(last, operation, 2, result) };
}

async function readPhase2<Result>(sql: Sql, operation: Operation, inputHash: string): Promise<Guarded<Result>> {
  const { first, second } = await readRows(sql, operation);
  if (second === undefined) {
    // A confirm claims nothing where phase 1 is not applied. An undo always does, unless a row is there: it was.
    throw UNDOS.includes(operation.op) ? vanished(operation) : suspended(operation, first?.op ?? 'action');
  }
  if (second.op !== operation.op) throw suspended(operation, second.op);
  if (second.outcome === 'intent') throw outbound(operation);
  // An undo that is done is done, whatever a person would have it undo with.
  if (!operation.corrected && isOther(inputHash, second, first)) throw new InputMismatch(operation);
  return { outcome: 'duplicate', result: fromJson(second.result) as Result };
}

/** Whether it was done with another input. Of what a scan has done, only phase 1 tells, where that is applied. */
function isOther(inputHash: string, second: StoredRow, first: StoredRow | undefined): boolean {
  if (second.driver !== SCAN_DRIVER) return second.inputHash !== inputHash;
  return first?.outcome === 'applied' && first.inputHash !== inputHash;
}
