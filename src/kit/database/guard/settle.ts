import type { Op, Operation } from '../../workflow/branch.js';
import { Barred, InputMismatch, Undone, type Rejection } from '../rejection.js';
import type { Sql } from '../sql.js';
import type { PhaseOptions } from './guard.js';
import { fromJson } from './json.js';
import { limitsOf } from './limits.js';
import { meet } from './meet.js';
import { readRows, rowOf, storedRejection, UNDOS, vanished, type Rows, type StoredRow } from './rows.js';
import { settle } from './statements.js';

/**
 * Settling an operation: its driver is gone, and nobody knows how far it came. It is never done now. What was done is
 * read; what was not is barred, so that what is still on its way cannot do it any more.
 */

/** What is found of a first operation that is settled. */
export type Settled<Result> =
  | { readonly outcome: 'applied'; readonly result: Result }
  | { readonly outcome: 'rejected'; readonly rejection: Rejection }
  | { readonly outcome: 'barred' }
  | { readonly outcome: 'undone'; readonly result: Result; readonly by: Op };

/**
 * Settles within the caller's own SQL transaction, which the caller must commit: what it returns is not true before. An
 * action or an undo in flight on the branch is waited for.
 *
 * @throws {@link InputMismatch} if the operation was done with another input
 * @throws any other error: nothing is known, try again
 */
export async function guardSettle<Result>(
  sql: Sql,
  operation: Operation,
  input: unknown,
  { mask, last = sql }: PhaseOptions = {},
): Promise<Settled<Result>> {
  const row = rowOf(operation, input, mask);
  const [found] = await sql<Pick<StoredRow, 'outcome'>>(settle, [...row, ...limitsOf(operation)]);
  if (found?.outcome === 'barred') return { outcome: 'barred' };
  const rows = await readRows(last, operation);
  meet(operation, rows);
  const settled = settledOf<Result>(rows, operation, row[3]);
  if (settled) return settled;
  throw new Error(`branch '${operation.branch}' in ${operation.gid} was begun outside SQL: settle it as it was begun`);
}

/**
 * What the rows say.
 *
 * @returns `undefined` for an intent: nobody knows yet
 */
export function settledOf<Result>(
  { first, second }: Rows,
  operation: Operation,
  hash: string,
): Settled<Result> | undefined {
  const undo = second !== undefined && UNDOS.includes(second.op) ? second : undefined;
  // Whoever asked for the undo had given the operation up: a rejection that is found beside it is no news.
  if (first?.outcome === 'barred' || undo?.outcome === 'empty') return { outcome: 'barred' };
  if (first === undefined) throw vanished(operation);
  if (first.op !== operation.op || first.inputHash !== hash) throw new InputMismatch(operation);
  if (first.outcome === 'applied') {
    const result = fromJson(first.result) as Result;
    return undo ? { outcome: 'undone', result, by: undo.op } : { outcome: 'applied', result };
  }
  if (first.outcome !== 'rejected') return undefined;
  return undo ? { outcome: 'barred' } : { outcome: 'rejected', rejection: storedRejection(first) };
}

/**
 * What a caller of a settled operation hears, once that is committed.
 *
 * @throws {@link Barred}, {@link Undone}, or the stored {@link Rejection}
 */
export function settledResult<Result>(operation: Operation, settled: Settled<Result>): Result {
  switch (settled.outcome) {
    case 'applied':
      return settled.result;
    case 'rejected':
      throw settled.rejection;
    case 'barred':
      throw new Barred(operation);
    case 'undone':
      throw new Undone(operation, settled.by, settled.result);
  }
}
