import type { Operation } from '../../workflow/branch.js';
import { StoredRejection, type Rejection } from '../rejection.js';
import type { Database, Sql, TransactionSql } from '../sql.js';
import { rejectionOf } from '../sqlstate.js';
import { applyAtOnce, undoAtOnce, type AtOnce } from './at-once.js';
import { fromJson, hashInput, toLog } from './json.js';
import { limitsOf, stopwatch } from './limits.js';
import { claim, claimAnnounced, elsewhere, meet } from './meet.js';
import { finish, firstOf, outbound, readRows, rowOf, storedRejection } from './rows.js';
import { guardConfirm, guardUndo } from './phase2.js';
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
   * @param atOnce the same work as one statement, if there is one, with the same result where it can be done: tried first,
   * as it takes one round trip with the guard's row. Where that does not succeed, nothing has happened, and `work` says why
   * @returns the result of the work, or the stored one if it was done before
   * @throws {@link Rejection} the stored one if it was refused before
   * @throws {@link Suspended} if its undo came first
   * @throws {@link InputMismatch} if it was done before with another input
   * @throws {@link Barred}, {@link Undone} if it is settled, and does not stand
   * @throws {@link DrivenElsewhere}, {@link Decided} if the transaction has another driver, or has come to its end
   * @throws any other error: the outcome is unknown
   */
  apply<Result>(
    operation: Operation,
    input: unknown,
    work: (sql: Sql) => Promise<Result>,
    atOnce?: () => AtOnce,
  ): Promise<Result>;

  /**
   * Phase 2: undoes what phase 1 did, or bars it from ever happening. With `operation.corrected` it may have another
   * input than phase 1 had; that one is stored.
   *
   * @param work runs only if phase 1 was applied, with its stored result
   * @param atOnce the same work as one statement, as in {@link apply}; it has the action's result as `applied.result`
   * @returns what the work returned, now or before; `undefined` if there was nothing to undo
   * @throws {@link Suspended} if phase 1 was confirmed
   * @throws {@link InputMismatch} if phase 1 was applied with another input: nothing is undone
   * @throws {@link RowGone} if the action had succeeded and its row is not there: nothing is undone
   * @throws {@link DrivenElsewhere}, {@link Decided} if the action was another driver's, who still has the transaction or has
   * ended it: nothing is undone
   * @throws any other error, a {@link Rejection} too: nothing is undone yet, try again
   */
  undo<Applied, Result>(
    operation: Operation,
    input: unknown,
    work: (sql: Sql, applied: Applied) => Promise<Result>,
    atOnce?: () => AtOnce,
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
 * the reply. Of work in one statement nothing can come between: `working` and `worked` are before it.
 */
export type Probe = (point: 'before' | 'working' | 'worked' | 'committed', operation: Operation) => Promise<void>;

/** Options of {@link createGuard}. */
export interface GuardOptions {
  readonly probe?: Probe;
  /** Dotted paths of the input that are stored as `***`. The hash is over the whole input. */
  readonly mask?: readonly string[];
}

/** Options of an operation in the caller's own SQL transaction. */
export interface PhaseOptions extends Pick<GuardOptions, 'mask'> {
  /** Runs the guard's last statement: `sql.commitWith`, if nothing of the caller's follows. Default: the `sql` itself. */
  readonly last?: Sql;
}

/** An operation's outcome in the database. */
export interface Guarded<Result> {
  readonly outcome: 'applied' | 'duplicate' | 'empty';
  readonly result: Result;
}

/** Makes the guard of one database. */
export function createGuard(db: Database, options: GuardOptions = {}): Guard {
  const { mask, probe } = options;
  const inTransaction = async <Result>(
    operation: Operation,
    body: (sql: TransactionSql) => Promise<Result>,
  ): Promise<Result> => {
    if (probe) await probe('before', operation);
    operation.announcement?.waiting?.();
    const result = await db.transaction((sql) => {
      // It may have waited long for its connection.
      operation.signal.throwIfAborted();
      return body(sql);
    }, operation.timeoutMs);
    if (probe) await probe('committed', operation);
    return result;
  };
  // Nothing follows the guard's last statement, so it goes with the commit.
  const phaseOf = ({ commitWith: last }: TransactionSql): PhaseOptions => ({ mask, last });
  const probed =
    <Args extends unknown[], Result>(operation: Operation, work: (sql: Sql, ...args: Args) => Promise<Result>) =>
    async (sql: Sql, ...args: Args): Promise<Result> => {
      if (probe) await probe('working', operation);
      const result = await work(sql, ...args);
      if (probe) await probe('worked', operation);
      return result;
    };

  return {
    async apply<Result>(
      operation: Operation,
      input: unknown,
      work: (sql: Sql) => Promise<Result>,
      atOnce?: () => AtOnce,
    ): Promise<Result> {
      const leftMs = stopwatch(operation);
      const timed = () => ({ ...operation, timeoutMs: leftMs() });
      if (operation.settle) {
        const settled = await inTransaction(operation, (sql) => guardSettle<Result>(sql, timed(), input, phaseOf(sql)));
        return settledResult(operation, settled);
      }
      const body = async (sql: TransactionSql): Promise<Guarded<Result>> => {
        const { commitWith } = sql;
        if (atOnce !== undefined && commitWith !== undefined) {
          const done = await applyAtOnce<Result>(commitWith, { operation, leftMs, input, atOnce, mask, probe });
          if (typeof done !== 'string') return done;
          // Who announces a transaction has it only if the key was free.
          if (done === 'taken' && !operation.announcement) return readPhase1(commitWith, operation, hashInput(input));
        }
        return guardPhase1(sql, timed(), input, probed(operation, work), phaseOf(sql));
      };
      try {
        return (await inTransaction(operation, body)).result;
      } catch (error) {
        if (error instanceof StoredRejection) throw error;
        const rejection = rejectionOf(error);
        if (rejection === undefined) throw error;
        const { result } = await recordRejection(db.run, timed(), input, rejection, options);
        return result as Result;
      }
    },
    async undo<Applied, Result>(
      operation: Operation,
      input: unknown,
      work: (sql: Sql, applied: Applied) => Promise<Result>,
      atOnce?: () => AtOnce,
    ): Promise<Result | undefined> {
      const leftMs = stopwatch(operation);
      const { result } = await inTransaction(operation, async (sql): Promise<Guarded<Result | undefined>> => {
        const { commitWith } = sql;
        if (atOnce !== undefined && commitWith !== undefined) {
          const done = await undoAtOnce<Result>(commitWith, { operation, leftMs, input, atOnce, mask, probe });
          if (typeof done !== 'string') return done;
        }
        const timed = { ...operation, timeoutMs: leftMs() };
        return guardUndo(sql, timed, input, probed(operation, work), phaseOf(sql));
      });
      return result;
    },
    async confirm(operation, input, work) {
      const leftMs = stopwatch(operation);
      const { result } = await inTransaction(operation, (sql) =>
        guardConfirm(sql, { ...operation, timeoutMs: leftMs() }, input, probed(operation, work), phaseOf(sql)),
      );
      return result;
    },
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
  options: PhaseOptions = {},
): Promise<Guarded<Result>> {
  const { last = sql } = options;
  if (operation.settle)
    throw new TypeError('an operation that is settled is asked of guardSettle: its bar must commit');
  const row = rowOf(operation, input, options.mask);
  if (operation.announcement) await claimAnnounced(sql, operation, row);
  else {
    const claimed = await claim(sql, operation, row);
    if (!claimed) return readPhase1<Result>(last, operation, row[3]);
  }
  const result = await work(sql);
  return { outcome: 'applied', result: await finish(last, operation, 1, result) };
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

async function readPhase1<Result>(sql: Sql, operation: Operation, inputHash: string): Promise<Guarded<Result>> {
  const rows = await readRows(sql, operation);
  meet(operation, rows);
  const first = firstOf(rows, operation, inputHash);
  if (first.outcome === 'rejected') throw storedRejection(first);
  if (first.outcome === 'intent') throw outbound(operation);
  return { outcome: 'duplicate', result: fromJson(first.result) as Result };
}
