import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { messageOf } from '../message.js';
import { NotBegun } from '../not-begun.js';
import type { Database } from '../sql.js';
import { answerOf } from './answer.js';
import { keepCalls, type KeptCalls, type StateCall, type StateOperations } from './calls.js';
import type { StateOperation } from './call.js';
import { StateDesk } from './desk.js';
import { drive, moved, readRow, type TableOf } from './drive.js';
import { limitsOf, type StateLimits } from './limits.js';
import type { StateAnswer, StateFailure, StateRow } from '../../workflow/state-table/row.js';
import { StateScan } from './scan.js';
import * as statements from './statements.js';

/**
 * The transaction state table: for a caller that wants no orchestrator in its path. A list of operations is done in its order, each
 * in a database of its own; where it stands is a row in the caller's database, moved by guarded updates.
 *
 * States of a row of two operations, A and B: `init` → `a_done` → `success`; `init` → `refused`; `init` | `a_done` → `error` →
 * `success` | `refused` | `left`. Of n operations there are n - 1 states between, named by letters. In the variant of two
 * states nothing is written between: `init` → `success`; only an `error` says how many are done.
 *
 * Transitions:
 * - Nothing → `init`: before the first call, the list with its inputs is stored under the gid. Another list under the same gid is
 *   refused. Whoever asks again with the same one goes on, or hears how it ended.
 * - `init` → `a_done` → `success`: the operation was called, and has said that it is done.
 * - `init` → `refused`: A has said a definite no. Nothing has happened, and A's guard sees to it that nothing of it can.
 * - → `error`: ten rounds of the scan have failed; or an operation after A was refused, which cannot be undone; or the guard of any
 *   of them says that the branch is another's (its input differs, or another scheme has ended the transaction). A person decides at
 *   the desk: again, under a new name and with another input where nothing can be done under its own; done outside; or left as it is
 *   (`left`). What is heard late of a name that it had before changes nothing.
 * - Anything else (a failure, no answer in time) moves nothing: whether the operation happened is not known. The caller answers
 *   `pending`, and a scan calls from there, 30 s after the row was stored and every 30 s from then on.
 *
 * Drivers of one row are any number of callers and scans, at the same time, paused and dead ones among them. Safety hangs on two
 * things and on no lease: an operation is idempotent by gid and branch (the guard of its own database; two at once meet on
 * its key), and every move names the place that it starts from, so that of several one wins and the others read on. When a row is
 * due is only there to keep two from calling at once for nothing.
 *
 * Invariant: what a row says is done is done, once; an operation is not called before those in front of it are done; a row that has
 * ended never changes; `success` and `refused` are told only when the row says so. Nothing is ever undone: between the first
 * operation and the last everybody sees some of it.
 */
export interface StateTable<Operations extends StateOperations = StateOperations> {
  /**
   * Does a list of operations, or goes on with it. Returns within `callerMs`, and a moment for the last statement.
   *
   * @param gid the id of the business transaction: the same one is done once, however often it is asked for
   * @param calls 1 to 26 operations with their inputs, which JSON has to carry; only the first should be one that may be refused
   * @returns what is known: `pending` is no failure
   * @throws {@link StateTableConflict} if the gid has another list; a TypeError for a list that makes no sense;
   * {@link StateTableUnavailable} if nothing could be stored under a gid that is new: in all three cases nothing was called
   */
  run(gid: string, calls: readonly StateCall<Operations>[], options?: RunOptions): Promise<StateAnswer>;

  /** The row as it is. @returns nothing if there is none. @throws the database's error */
  look(gid: string): Promise<StateRow | undefined>;

  /** For the scan: see `scanStateTable` of `backstitch/worker`. */
  readonly scan: StateScan;
  /** For the desk: what persons decide is written back by it. */
  readonly desk: StateDesk;
  readonly limits: StateLimits;
  /** The caller's own. */
  readonly database: Database;
}

/** Options of one call. */
export interface RunOptions {
  /** How long it calls at most, in milliseconds, if that is less than the table's `callerMs`. */
  readonly withinMs?: number;
  /** Nothing more is called when it is aborted: the answer is `pending` then. */
  readonly signal?: AbortSignal;
  /**
   * The gid was made for this call, so that nobody can have asked for it before: where the table cannot be used nothing of it is
   * begun, and the call throws {@link StateTableUnavailable}. Default: false, and the answer is `pending` then, as what an earlier
   * call has begun is not known
   */
  readonly isNew?: boolean;
}

/** Options of {@link createStateTable}. */
export interface StateTableOptions<Operations extends StateOperations> extends Partial<StateLimits> {
  /** The caller's own database, with `stateTableMigrations`. */
  readonly database: Database;
  /** What can be called, by name. Each has to be idempotent by gid and branch: `(operation, input) => guard.apply(…)`. */
  readonly operations: Operations;
  /** Nothing is written between the first operation and the last: a round trip less, and calls that are done are made again. Default: false */
  readonly twoStates?: boolean;
  /** Who does the work, for the guards' rows. Default: the process and its machine */
  readonly who?: string;
}

/** The gid has another list of operations, or other inputs: nothing was called. */
export class StateTableConflict extends Error {
  constructor(gid: string) {
    super(`${gid} was asked before with other operations or inputs: nothing was called`);
    this.name = 'StateTableConflict';
  }
}

/** The caller's own database cannot be used, and the gid is a new one: nothing was stored, nothing called. */
export class StateTableUnavailable extends Error {
  constructor(gid: string, cause: unknown) {
    super(`the state table cannot be used: ${messageOf(cause)}: nothing of ${gid} was stored or called`, { cause });
    this.name = 'StateTableUnavailable';
  }
}

/**
 * Makes the state table of one database.
 *
 * @throws a RangeError for an option that makes no sense
 * @example
 * ```ts
 * await migrate(database, 'state-table', stateTableMigrations);
 * const transfers = createStateTable({
 *   database,
 *   operations: { 'bank_a.debit': bankA.debit.action, 'bank_b.credit': bankB.credit.action },
 * });
 * const answer = await transfers.run('transfer-7', [
 *   { branch: 'from-1', operation: 'bank_a.debit', input: { account: 'alice', amount: 3000 } },
 *   { branch: 'to-1', operation: 'bank_b.credit', input: { account: 'bob', amount: 3000 } },
 * ]);
 * if (answer.answer === 'pending') return reply(202, 'ask again later');
 * ```
 */
export function createStateTable<Operations extends StateOperations>({
  database,
  operations,
  twoStates = false,
  who = `${process.pid}@${hostname()}`,
  ...given
}: StateTableOptions<Operations>): StateTable<Operations> {
  const limits = limitsOf(given);
  const known = new Map<string, StateOperation>(Object.entries(operations));
  const table: TableOf = { database, operations: known, limits, who };
  return {
    ...{ limits, database },
    scan: new StateScan(table),
    desk: new StateDesk(table),
    look: (gid) => readRow(table, gid),
    async run(gid, calls, { withinMs = limits.callerMs, signal, isNew = false } = {}) {
      const until = performance.now() + Math.min(withinMs, limits.callerMs);
      const kept = keepCalls(gid, calls, known);
      const driver = `state:${randomUUID()}`;
      let row: StateRow | undefined;
      try {
        row = await begin(table, gid, kept, { twoStates, driver });
      } catch (error) {
        if (error instanceof StateTableConflict) throw error;
        if (isNew && isUnsent(error)) throw new StateTableUnavailable(gid, error);
        return { answer: 'pending', done: 0, stored: false, failure: tableFailure(error) };
      }
      const driven = await drive(table, row, { driver, who, attempts: limits.retries + 1, until, signal });
      const { failure } = driven;
      if (failure !== undefined && row.driver === driver) {
        // For whoever looks; nothing hangs on it.
        await moved(table, statements.note, [gid, driver, JSON.stringify(failure)]).catch(() => undefined);
      }
      return answerOf(driven);
    },
  };
}

/** Stores the row, or reads the one that is there. */
async function begin(
  table: TableOf,
  gid: string,
  { text, hash }: KeptCalls,
  { twoStates, driver }: { twoStates: boolean; driver: string },
): Promise<StateRow> {
  const [stored] = await moved(table, statements.store, [gid, text, twoStates, hash, driver, table.limits.scanAfterMs]);
  const row = stored ?? (await readRow(table, gid));
  if (row === undefined) throw new Error(`the row of ${gid} was removed while it was read: ask again`);
  if (row.inputHash !== hash) throw new StateTableConflict(gid);
  return row;
}

/** Codes of a connection that was never made or was refused, and of a schema or a table that nobody has made. */
const NOT_DONE = [
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['3D000', '28P01', '28000', '53300', '55000', '57P03', '3F000', '42P01'],
];

/** Whether an error means that nothing of a statement was sent, or that the database has refused it as a whole. */
function isUnsent(error: unknown): boolean {
  if (error instanceof NotBegun) return true;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && NOT_DONE.includes(code);
}

function tableFailure(error: unknown): StateFailure {
  return { known: 'unknown', type: 'TableUnavailable', message: messageOf(error) };
}
