import type { Operation } from '../../workflow/branch.js';
import { InputMismatch, RowGone, StoredRejection, type Rejection } from '../rejection.js';
import type { Database, Sql } from '../sql.js';
import { rejectionOf } from '../sqlstate.js';
import { fromJson, toJson, toLog } from './json.js';
import { limitsOf, stopwatch } from './limits.js';
import { claim, claimAnnounced, elsewhere, meet } from './meet.js';
import { firstOf, readRows, rowOf, storedRejection, suspended, UNDOS, vanished, type StoredRow } from './rows.js';
import { guardSettle, settledResult } from './settle.js';
import * as statements from './statements.js';

/**
 * The guard: a row in the participant's own database, written in the SQL transaction of the work, that makes an
 * operation happen at most once.
 *
 * States of a branch: nothing → applied | rejected (phase 1), or nothing → barred by its undo; applied → undone or
 * confirmed (phase 2), never both; rejected or barred → empty (phase 2).
 *
 * Rivals meet on one key, `(gid, branch, phase)`: an action and the bar of its undo on phase 1, an undo and a confirm on
 * phase 2. Whoever inserts the key first wins; the other waits for that transaction to end and then reads its row.
 *
 * Invariant: the work of a branch has its effect once or not at all; after any undo returned it has none, and no action
 * of that branch can have one from then on; a rejection that was returned once is returned always.
 *
 * The idea of two inserts under one key that decide applied, empty and suspended is DTM's barrier (dtm-labs/dtm); the
 * stored results, durable rejections and the single statement of the undo are our own.
 */
export interface Guard {
  /**
   * Phase 1: does the work once; with `operation.settle` never: what was done is answered, what was not is barred.
   *
   * @param work runs inside the SQL transaction; throws {@link Rejection} for a definite no
   * @returns the result of the work, or the stored one if it was done before
   * @throws {@link Rejection} the stored one if it was refused before
   * @throws {@link Suspended} if its undo came first
   * @throws {@link InputMismatch} if it was done before with another input
   * @throws {@link Barred}, {@link Undone} if it is settled, and does not stand
   * @throws {@link DrivenElsewhere}, {@link Decided} if the transaction has another driver, or has come to its end
   * @throws any other error: the outcome is unknown
   */
  apply<Result>(operation: Operation, input: unknown, work: (sql: Sql) => Promise<Result>): Promise<Result>;

  /**
   * Phase 2: undoes what phase 1 did, or bars it from ever happening. With `operation.corrected` it may have another
   * input than phase 1 had; that one is stored.
   *
   * @param work runs only if phase 1 was applied, with its stored result
   * @returns what the work returned, now or before; `undefined` if there was nothing to undo
   * @throws {@link Suspended} if phase 1 was confirmed
   * @throws {@link InputMismatch} if phase 1 was applied with another input: nothing is undone
   * @throws {@link RowGone} if the action had succeeded and its row is not there: nothing is undone
   * @throws any other error, a {@link Rejection} too: nothing is undone yet, try again
   */
  undo<Applied, Result>(
    operation: Operation,
    input: unknown,
    work: (sql: Sql, applied: Applied) => Promise<Result>,
  ): Promise<Result | undefined>;

  /**
   * Phase 2: confirms what phase 1 did.
   *
   * @throws {@link Suspended} if phase 1 was not applied, or was undone
   */
  confirm<Applied, Result>(
    operation: Operation,
    input: unknown,
    work: (sql: Sql, applied: Applied) => Promise<Result>,
  ): Promise<Result>;
}

/**
 * A named point in an operation's life, for faults in tests and demos.
 * `before` BEGIN; `working`: the guard row is written, the work not begun; `worked`: before COMMIT; `committed`: before
 * the reply.
 */
export type Probe = (point: 'before' | 'working' | 'worked' | 'committed', operation: Operation) => Promise<void>;

/** Options of {@link createGuard}. */
export interface GuardOptions {
  readonly probe?: Probe;
  /** Dotted paths of the input that are stored as `***`. The hash is over the whole input. */
  readonly mask?: readonly string[];
}

/** An operation's outcome in the database. */
export interface Guarded<Result> {
  readonly outcome: 'applied' | 'duplicate' | 'empty';
  readonly result: Result;
}

/** What phase 2 finds of phase 1, and whether it claimed its own key. */
interface Phase2Row {
  readonly outcome: StoredRow['outcome'];
  readonly result: string | null;
  readonly claimed: boolean;
  /** An undo only: phase 1 was applied with another input. */
  readonly foreignInput?: boolean;
}

/** Makes the guard of one database. */
export function createGuard(db: Database, options: GuardOptions = {}): Guard {
  const { probe = () => Promise.resolve() } = options;
  const inTransaction = async <Result>(
    operation: Operation,
    body: (sql: Sql, operation: Operation) => Promise<Guarded<Result>>,
    left = stopwatch(operation),
  ): Promise<Result> => {
    await probe('before', operation);
    const { result } = await db.transaction((sql) => {
      // It may have waited long for its connection.
      operation.signal.throwIfAborted();
      return body(sql, left());
    }, operation.timeoutMs);
    await probe('committed', operation);
    return result;
  };
  const probed =
    <Args extends unknown[], Result>(operation: Operation, work: (sql: Sql, ...args: Args) => Promise<Result>) =>
    async (sql: Sql, ...args: Args): Promise<Result> => {
      await probe('working', operation);
      const result = await work(sql, ...args);
      await probe('worked', operation);
      return result;
    };

  return {
    async apply(operation, input, work) {
      const left = stopwatch(operation);
      if (operation.settle) {
        await probe('before', operation);
        const settled = await db.transaction((sql) => {
          operation.signal.throwIfAborted();
          return guardSettle(sql, left(), input, options);
        }, operation.timeoutMs);
        await probe('committed', operation);
        return settledResult(operation, settled) as never;
      }
      try {
        const body = (sql: Sql, timed: Operation) => guardPhase1(sql, timed, input, probed(operation, work), options);
        return await inTransaction(operation, body, left);
      } catch (error) {
        if (error instanceof StoredRejection) throw error;
        const rejection = rejectionOf(error);
        if (rejection === undefined) throw error;
        const { result } = await recordRejection(db.run, left(), input, rejection, options);
        return result as never;
      }
    },
    undo: (operation, input, work) =>
      inTransaction(operation, (sql, timed) => guardUndo(sql, timed, input, probed(operation, work), options)),
    confirm: (operation, input, work) =>
      inTransaction(operation, (sql, timed) => guardConfirm(sql, timed, input, probed(operation, work), options)),
  };
}

/**
 * Phase 1 within the caller's own SQL transaction, which the caller must roll back when this throws. After a
 * {@link Rejection} it must then call {@link recordRejection}: until that is written the outcome is unknown.
 */
export async function guardPhase1<Result>(
  sql: Sql,
  operation: Operation,
  input: unknown,
  work: (sql: Sql) => Promise<Result>,
  options: Pick<GuardOptions, 'mask'> = {},
): Promise<Guarded<Result>> {
  if (operation.settle)
    throw new TypeError('an operation that is settled is asked of guardSettle: its bar must commit');
  const row = rowOf(operation, input, options.mask);
  if (operation.announcement) await claimAnnounced(sql, operation, row);
  else {
    const claimed = await claim(sql, operation, row);
    if (!claimed) return readPhase1<Result>(sql, operation, row[3]);
  }
  const result = await work(sql);
  return { outcome: 'applied', result: await finish(sql, operation, 1, result) };
}

/**
 * Makes a rejection durable, in a transaction of its own.
 *
 * @throws the rejection as stored, or the one that was stored before it; what {@link Guard.apply} throws if something else was
 * stored meanwhile; an error that says that the outcome is unknown if it cannot be written
 * @returns the stored result if another attempt was applied meanwhile
 */
export async function recordRejection(
  run: Sql,
  operation: Operation,
  input: unknown,
  rejection: Rejection,
  options: Pick<GuardOptions, 'mask'> = {},
): Promise<Guarded<unknown>> {
  const row = rowOf(operation, input, options.mask);
  const failure = toLog({ type: rejection.type, message: rejection.message });
  let claimed: unknown[];
  try {
    claimed = await run(statements.reject, [...row, ...limitsOf(operation), failure]);
  } catch (error) {
    const { gid, branch } = operation;
    throw new Error(
      `branch '${branch}' of ${gid} was refused (${rejection.type}), but that could not be stored, so its outcome is unknown: ${String(error)}`,
      { cause: error },
    );
  }
  const { type, message, stack } = rejection;
  if (claimed.length > 0) throw Object.assign(new StoredRejection(type, message), { stack });
  if (operation.announcement) throw await elsewhere(run, operation, row[3]);
  return readPhase1(run, operation, row[3]);
}

/** An undo within the caller's own SQL transaction, which the caller must roll back when this throws. */
export async function guardUndo<Applied, Result>(
  sql: Sql,
  operation: Operation,
  input: unknown,
  work: (sql: Sql, applied: Applied) => Promise<Result>,
  options: Pick<GuardOptions, 'mask'> = {},
): Promise<Guarded<Result | undefined>> {
  return guardPhase2(statements.bar, sql, operation, input, work, options);
}

/** A confirm within the caller's own SQL transaction, which the caller must roll back when this throws. */
export async function guardConfirm<Applied, Result>(
  sql: Sql,
  operation: Operation,
  input: unknown,
  work: (sql: Sql, applied: Applied) => Promise<Result>,
  options: Pick<GuardOptions, 'mask'> = {},
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
  options: Pick<GuardOptions, 'mask'>,
): Promise<Guarded<Result | undefined>> {
  const row = rowOf(operation, input, options.mask);
  const values = [...row, ...limitsOf(operation)];
  const undo = statement === statements.bar;
  const [first] = await sql<Phase2Row>(statement, undo ? [...values, operation.corrected === true] : values);
  if (first?.foreignInput === true) throw new InputMismatch(operation);
  if (first?.outcome === 'intent') throw outbound(operation);
  if (first?.claimed !== true) return readPhase2<Result>(sql, operation, row[3]);
  if (first.outcome !== 'applied') {
    if (operation.succeeded) throw new RowGone(operation);
    return { outcome: 'empty', result: undefined };
  }
  const result = await work(sql, fromJson(first.result) as Applied);
  return { outcome: 'applied', result: await finish(sql, operation, 2, result) };
}

async function readPhase1<Result>(sql: Sql, operation: Operation, inputHash: string): Promise<Guarded<Result>> {
  const rows = await readRows(sql, operation);
  await meet(sql, operation, rows.first);
  const first = firstOf(rows, operation, inputHash);
  if (first.outcome === 'rejected') throw storedRejection(first);
  if (first.outcome === 'intent') throw outbound(operation);
  return { outcome: 'duplicate', result: fromJson(first.result) as Result };
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
  if (second.inputHash !== inputHash && !operation.corrected) throw new InputMismatch(operation);
  return { outcome: 'duplicate', result: fromJson(second.result) as Result };
}

/** Stores the result, and returns it as a later caller would read it. */
async function finish<Result>(sql: Sql, { gid, branch }: Operation, phase: 1 | 2, result: Result): Promise<Result> {
  const json = toJson(result);
  await sql(statements.finish, [gid, branch, phase, json]);
  return fromJson(json) as Result;
}

/** Nothing may be decided from a row that waits for an answer of the other side. */
function outbound({ gid, branch, op }: Operation): Error {
  return new Error(
    `${op} of branch '${branch}' in ${gid} was begun outside SQL: ask it of createOutbound's apply and undo, as it was begun`,
  );
}
