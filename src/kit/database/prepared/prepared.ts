import type { Operation } from '../../workflow/branch.js';
import { isEnd, type Fate, type Opened } from '../../workflow/fate.js';
import type { Vote } from '../../workflow/participant.js';
import { createGuard, recordRejection, type GuardOptions } from '../guard/guard.js';
import { fromJson, hashInput } from '../guard/json.js';
import { limitsOf, stopwatch } from '../guard/limits.js';
import { guardConfirm, guardUndo } from '../guard/phase2.js';
import { firstOf, readRows, rowOf, storedRejection, type MetRows } from '../guard/rows.js';
import { guardSettle, settledResult } from '../guard/settle.js';
import { Decided, DrivenElsewhere, InputMismatch, StoredRejection, Suspended, Undecidable } from '../rejection.js';
import type { Database, Sql, TransactionSql } from '../sql.js';
import { rejectionOf, sqlStateOf } from '../sqlstate.js';
import { listInDoubt, type InDoubt, type InDoubtOptions } from './in-doubt.js';
import { nameOf, prefixOf } from './name.js';
import * as statements from './statements.js';

/**
 * A participant of a two-phase commit, on PREPARE TRANSACTION and the guard's table.
 *
 * States of a branch: nothing → prepared → committed | rolled back; nothing → barred (rolled back before it came), or rejected,
 * or read-only (it has written nothing). Prepared is a state of the server, and belongs to no connection: it holds its locks
 * until somebody commits it or rolls it back, through a crash and a restart too.
 *
 * Transitions:
 * - A prepare first looks whether it is prepared, and for the guard's row. Then it works, writes the row as the last part of the
 *   same transaction, and prepares that. Its twin, a bar and a settling run all meet it on the row's key.
 * - A commit commits what is prepared, and then writes its row of phase 2. Nothing is prepared: the row of phase 1 tells.
 * - A rollback rolls back what is prepared, then bars phase 1 and writes its row of phase 2 in one transaction. An attempt of the
 *   prepare that is under way holds the bar up, and may become prepared meanwhile: that is rolled back too, until the bar is in.
 *
 * Neither COMMIT PREPARED nor ROLLBACK PREPARED can be one transaction with a row. What a crash between them leaves:
 * - committed, and no row of phase 2: the next attempt finds nothing prepared, and the row of phase 1, which has become visible
 *   with the commit: it was committed, and the row of phase 2 is written now.
 * - rolled back, and no bar: the next attempt finds nothing at all, as if the prepare had never come, and bars it. If a late
 *   prepare was faster it is prepared again, and rolled back as above.
 *
 * So nothing prepared and no row is an answer to a rollback. To a commit, which is asked only of what has voted yes, it means that
 * what was prepared is lost (somebody ended it by hand, the database was restored from a backup): a person has to look.
 *
 * Invariant: the work of a branch is committed once or never; what was rolled back once is never committed, and the other way
 * round, as both meet on one key; what was refused once is refused always.
 */
export interface Prepared {
  /**
   * Phase 1: does the work and prepares it; with `operation.settle` never: what is prepared or committed is answered, what is
   * not is barred. With `operation.single` it is committed at once.
   *
   * @param work runs inside the SQL transaction; throws {@link Rejection} for a definite no. What PREPARE TRANSACTION does not
   * take (NOTIFY, temporary tables) it may not use
   * @returns the vote, now or before
   * @throws {@link Rejection} if it was refused, now or before
   * @throws {@link Suspended} if its rollback came first
   * @throws {@link InputMismatch} if it was prepared before with another input
   * @throws {@link Decided}, {@link DrivenElsewhere} if a transaction of the same gid was here that no workflow drives
   * @throws {@link Barred} if it is settled, and does not stand
   * @throws any other error: the outcome is unknown
   */
  prepare(operation: Operation, input: unknown, work: (sql: Sql) => Promise<unknown>): Promise<Vote>;

  /**
   * Phase 2: commits what is prepared. Done before, nothing happens.
   *
   * @throws {@link Suspended} if it was rolled back, {@link Undecidable} if it is lost: a person has to look
   * @throws {@link InputMismatch} if it was prepared with another input: it stays prepared
   * @throws any other error: try again
   */
  commit(operation: Operation, input: unknown): Promise<void>;

  /**
   * Phase 2: rolls back what is prepared, and bars what is not yet. Done before, nothing happens.
   *
   * @throws {@link Suspended} if it was committed: a person has to look
   * @throws {@link InputMismatch} if it was prepared with another input: it stays prepared
   * @throws any other error: try again
   */
  rollback(operation: Operation, input: unknown): Promise<void>;

  /** What is prepared in this database and was neither committed nor rolled back for a while. */
  inDoubt(options?: InDoubtOptions): Promise<InDoubt[]>;
}

/**
 * Options of {@link createPrepared}. The probe's points: `working`: before the work, or before what is prepared is ended;
 * `worked`: before PREPARE TRANSACTION, or between the end of what was prepared and the row that says so.
 */
export interface PreparedOptions extends GuardOptions {
  readonly database: Database;
  /**
   * The same database by connections of its own, for commits and rollbacks: a few are enough. Prepares that wait for a lock keep
   * their connections meanwhile; where they have all of them, the commit that would let the lock go waits for one of theirs,
   * until they give up. Default: `database`.
   */
  readonly phase2?: Database;
}

/** How long a rollback waits for a prepare that is under way, until it looks again; milliseconds. */
const ROUND_MS = 2_500;

/** The prepared transaction is not there, a lock was not had in time. */
const NOT_THERE = '42704';
const LOCKED = '55P03';

/** Somebody else has the key: nothing of this attempt may be prepared. */
class Taken extends Error {}

/** Makes what a participant of a two-phase commit is made of. */
export function createPrepared({ database, phase2 = database, mask, probe }: PreparedOptions): Prepared {
  const guard = createGuard(database, { mask, probe });
  const phaseOf = ({ commitWith: last }: TransactionSql) => ({ mask, last });

  /** The name of what is prepared of a branch, if anything is. */
  async function find(operation: Operation, timeoutMs: number, from = phase2): Promise<string | undefined> {
    const [found] = await from.run<{ name: string }>(statements.find, [prefixOf(operation)], timeoutMs);
    return found?.name;
  }

  /** Ends what is prepared; another who was faster has done the same, or the row tells. */
  async function end(verb: 'commit' | 'rollback', name: string, timeoutMs: number): Promise<void> {
    try {
      await phase2.run(`${verb} prepared '${name.replaceAll("'", "''")}'`, undefined, timeoutMs);
    } catch (error) {
      if (sqlStateOf(error) !== NOT_THERE) throw error;
    }
  }

  /** Works, and prepares it. */
  async function work(
    sql: TransactionSql,
    operation: Operation,
    leftMs: () => number,
    input: unknown,
    body: (sql: Sql) => Promise<unknown>,
  ): Promise<Vote> {
    const { prepareAs } = sql;
    if (prepareAs === undefined)
      throw new TypeError('this database client prepares no transactions: see TransactionSql');
    const row = rowOf(operation, input, mask);
    const name = nameOf(operation, row[3]);
    const limits = limitsOf({ timeoutMs: leftMs() });
    const look = [prefixOf(operation), ...limits, operation.gid];
    const [found] = await sql<{ name: string | null; announced: boolean }>(statements.lookFirst, look);
    if (found?.name != null) return sameInput(operation, found.name, name);
    // In a statement of its own: what was committed since it was looked for is seen.
    const rows = await readRows(sql, operation);
    refuseOther(operation, rows, found?.announced === true);
    if (rows.first ?? rows.second) return voteOf(rows, operation, row[3]);
    await probe?.('working', operation);
    await body(sql);
    const [claimed] = await sql<{ vote: Vote }>(statements.vote, row);
    if (claimed === undefined) throw new Taken();
    await probe?.('worked', operation);
    if (claimed.vote === 'yes') prepareAs(name);
    return claimed.vote;
  }

  async function settle(operation: Operation, leftMs: () => number, input: unknown): Promise<Vote> {
    const found = await find(operation, leftMs(), database);
    if (found !== undefined) return sameInput(operation, found, nameOf(operation, hashInput(input)));
    // One that is under way holds this up, and is found by the next attempt if it is prepared meanwhile.
    const settled = await database.transaction(
      (sql) => guardSettle<Vote>(sql, { ...operation, timeoutMs: leftMs() }, input, phaseOf(sql)),
      operation.timeoutMs,
    );
    return settledResult(operation, settled);
  }

  return {
    async prepare(operation, input, body) {
      if (operation.single) {
        return guard.apply(operation, input, async (sql): Promise<Vote> => {
          const [found] = await sql<{ announced: boolean }>(statements.announced, [operation.gid]);
          refuseOther(operation, await readRows(sql, operation), found?.announced === true);
          await body(sql);
          return 'committed';
        });
      }
      const leftMs = stopwatch(operation);
      await probe?.('before', operation);
      let vote: Vote;
      try {
        vote = operation.settle
          ? await settle(operation, leftMs, input)
          : await database.transaction((sql) => {
              // It may have waited long for its connection.
              operation.signal.throwIfAborted();
              return work(sql, operation, leftMs, input, body);
            }, operation.timeoutMs);
      } catch (error) {
        if (error instanceof StoredRejection) throw error;
        const rejection = rejectionOf(error);
        if (rejection !== undefined) {
          // A twin that is prepared holds this up: the next attempt finds it.
          const timed = { ...operation, timeoutMs: leftMs() };
          vote = (await recordRejection(database.run, timed, input, rejection, { mask })).result as Vote;
        } else if (error instanceof Taken) {
          vote = voteOf(await readRows(limitedBy(database, leftMs), operation), operation, hashInput(input));
        } else throw error;
      }
      await probe?.('committed', operation);
      return vote;
    },

    async commit(operation, input) {
      const leftMs = stopwatch(operation);
      await probe?.('before', operation);
      const found = await find(operation, leftMs());
      if (found !== undefined) {
        if (!operation.corrected) sameInput(operation, found, nameOf(operation, hashInput(input)));
        await probe?.('working', operation);
        await end('commit', found, leftMs());
      }
      await probe?.('worked', operation);
      try {
        await phase2.transaction(
          (sql) => guardConfirm(sql, { ...operation, timeoutMs: leftMs() }, input, nothing, phaseOf(sql)),
          operation.timeoutMs,
        );
      } catch (error) {
        if (!(error instanceof Suspended)) throw error;
        const { first } = await readRows(limitedBy(phase2, leftMs), operation);
        throw first === undefined ? lost(operation) : error;
      }
      await probe?.('committed', operation);
    },

    async rollback(operation, input) {
      const leftMs = stopwatch(operation);
      const last = performance.now() + operation.timeoutMs / 2;
      // That it was prepared is no sign that it has a row: it has none once it is rolled back.
      const asked = { ...operation, succeeded: undefined };
      await probe?.('before', operation);
      for (;;) {
        const found = await find(operation, leftMs());
        if (found !== undefined && !operation.corrected)
          sameInput(operation, found, nameOf(operation, hashInput(input)));
        await probe?.('working', operation);
        if (found !== undefined) await end('rollback', found, leftMs());
        await probe?.('worked', operation);
        try {
          await phase2.transaction((sql) => {
            const timed = { ...asked, timeoutMs: Math.min(leftMs(), ROUND_MS) };
            return guardUndo(sql, timed, input, refuseCommitted(operation), phaseOf(sql));
          }, operation.timeoutMs);
          break;
        } catch (error) {
          if (sqlStateOf(error) !== LOCKED || performance.now() > last) throw error;
        }
      }
      await probe?.('committed', operation);
    },

    inDoubt: (options) => listInDoubt(database, options),
  };
}

/**
 * Refuses what another transaction of the same gid has been here before: one that a caller's process or a group drives, or has
 * ended. No workflow has its gid, so that nobody else could see it.
 */
function refuseOther(operation: Operation, { home }: Pick<MetRows, 'home'>, announced: boolean): void {
  const fate = fromJson(home?.fate ?? null) as Fate | Opened | undefined;
  if (fate !== undefined && isEnd(fate)) throw new Decided(operation, fate);
  if (fate !== undefined || announced) throw new DrivenElsewhere(operation, home?.driver);
}

/** @throws {@link InputMismatch} if what is prepared has another name than the same input would have */
function sameInput(operation: Operation, found: string, name: string): Vote {
  if (found !== name) throw new InputMismatch(operation);
  return 'yes';
}

/** The vote that the rows tell: committed since, read-only, or done at once. */
function voteOf(rows: MetRows, operation: Operation, hash: string): Vote {
  const first = firstOf(rows, operation, hash);
  if (first.outcome === 'rejected') throw storedRejection(first);
  return fromJson(first.result) as Vote;
}

/** What is visible of phase 1 is no more to be rolled back, unless there was nothing to commit. */
function refuseCommitted({ gid, branch }: Operation) {
  return (_: Sql, vote: Vote): Promise<void> =>
    vote === 'read-only'
      ? nothing()
      : Promise.reject(new Suspended(`rollback of branch '${branch}' in ${gid} is refused: it was committed before`));
}

/** Statements of their own, each in what is left of the attempt's time. */
function limitedBy({ run }: Database, leftMs: () => number): Sql {
  return (text, values) => run(text, values, leftMs());
}

function nothing(): Promise<void> {
  return Promise.resolve();
}

function lost({ gid, branch }: Operation): Undecidable {
  return new Undecidable(
    `commit of branch '${branch}' in ${gid}: it has voted yes, and is neither prepared nor committed here: it was ended by hand, or its database was restored: find out which, and make it good`,
  );
}
