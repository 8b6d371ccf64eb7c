import type { Op, Operation } from '../../workflow/branch.js';
import { InputMismatch, StoredRejection, Suspended } from '../rejection.js';
import type { Sql } from '../sql.js';
import { fromJson, hashInput, maskInput, toJson, toLog } from './json.js';
import { finish as finishing, read } from './statements.js';

/**
 * The guard's rows, and what a first operation is answered by them.
 */

/** The operations of phase 2 that take back what phase 1 did, or make it good. */
export const UNDOS: readonly Op[] = ['compensation', 'cancel', 'rollback', 'amends'];

/** Whose rows tell nothing of an input: the scan ends what is prepared, whatever that was asked with. */
export const SCAN_DRIVER = 'backstitch.scan';

/** A row as it is read. */
export interface StoredRow {
  readonly phase: number;
  readonly op: Op;
  /** `intent`: of {@link createOutbound}: it was sent or will be, and no answer was stored yet. */
  readonly outcome: 'applied' | 'empty' | 'rejected' | 'barred' | 'intent';
  readonly result: string | null;
  readonly failure: string | null;
  readonly inputHash: string;
  readonly driver: string;
  readonly fate: string | null;
  /** Whether its transaction is announced in this database. */
  readonly announced: boolean;
}

/** Both rows of a branch, as far as they are there. */
export interface Rows<Row extends StoredRow = StoredRow> {
  readonly first: Row | undefined;
  readonly second: Row | undefined;
}

/** The rows of a branch, and where its transaction stands in this database. */
export interface MetRows extends Rows {
  /** The row that says who has the transaction, or how it has ended: of this branch, or of another one. */
  readonly home: StoredRow | undefined;
}

export async function readRows(sql: Sql, { gid, branch }: Operation): Promise<MetRows> {
  const rows = await sql<StoredRow & { readonly branch: string }>(read, [gid, branch]);
  const own = byPhase(rows.filter((row) => row.branch === branch));
  return { ...own, home: rows.find(({ phase, fate }) => phase === 1 && fate !== null) };
}

export function byPhase<Row extends StoredRow>(rows: readonly Row[]): Rows<Row> {
  return { first: rows.find(({ phase }) => phase === 1), second: rows.find(({ phase }) => phase === 2) };
}

/** The values that every statement which writes a row begins with. */
export function rowOf(operation: Operation, input: unknown, mask: readonly string[] = []) {
  const { gid, branch, op, driver, seq, function: name, who, attempt } = operation;
  const stored = toLog(maskInput(input, mask));
  return [gid, branch, op, hashInput(input), stored, driver, seq, name, who, attempt] as const;
}

/**
 * The row that a first operation finds and that may answer it.
 *
 * @throws {@link Suspended} if its undo came first, {@link InputMismatch} if the row is another input's
 */
export function firstOf<Row extends StoredRow>({ first, second }: Rows<Row>, operation: Operation, hash: string): Row {
  // The undo is looked at first, even where the action's own row is there.
  if (second !== undefined && UNDOS.includes(second.op)) throw suspended(operation, second.op);
  if (first?.outcome === 'barred') throw suspended(operation, first.op);
  if (first === undefined) throw vanished(operation);
  if (first.op !== operation.op || first.inputHash !== hash) throw new InputMismatch(operation);
  return first;
}

export function storedRejection({ failure }: StoredRow): StoredRejection {
  const { type, message } = fromJson(failure) as { type: string; message: string };
  return new StoredRejection(type, message);
}

export function suspended({ gid, branch, op }: Operation, by: Op): Suspended {
  const reason =
    by !== 'action' && by !== 'try' && by !== 'prepare'
      ? `its ${by} came first`
      : by === op
        ? 'its transaction was settled without it'
        : `its ${by} was never applied`;
  return new Suspended(`${op} of branch '${branch}' in ${gid} is refused: ${reason}`);
}

export function vanished({ gid, branch }: Operation): Error {
  return new Error(`the guard row of branch '${branch}' in ${gid} was removed while it was read: try again`);
}

/** Stores the result, and returns it as a later caller would read it. */
export async function finish<Result>(
  sql: Sql,
  { gid, branch }: Operation,
  phase: 1 | 2,
  result: Result,
): Promise<Result> {
  const json = toJson(result);
  await sql(finishing, [gid, branch, phase, json]);
  return fromJson(json) as Result;
}

/** Nothing may be decided from a row that waits for an answer of the other side. */
export function outbound({ gid, branch, op }: Operation): Error {
  return new Error(
    `${op} of branch '${branch}' in ${gid} was begun outside SQL: ask it of createOutbound's apply and undo, as it was begun`,
  );
}
