import { randomUUID } from 'node:crypto';
import { fromJson, toJson, toLog } from '../guard/json.js';
import type { Database, Sql } from '../sql.js';
import { end, read, take } from './execution-statements.js';

/**
 * Execution records: one row for each task and business id says whether the task was executed for it, is being executed, or has failed.
 *
 * States: nothing → PROCESSING → SUCCESS, or FAILED. FAILED → PROCESSING, and PROCESSING → PROCESSING when it is stale: whoever executes
 * it then has taken it over, and the row's `attempt` is one higher.
 *
 * Invariant: of one task and business id there is one execution at a time that is not stale; after SUCCESS there is none any more, for as
 * long as the row is kept; and an execution that was taken over writes nothing into the row, however late it ends. What it does outside of
 * it cannot be stopped by a row: it does its writes in the SQL transaction of {@link Execution.complete}, or gives them a key that is the
 * same for every attempt.
 *
 * The business id is what the task is about (`order-17`), and the same each time: never a timestamp or a random number, of which each
 * attempt would have its own.
 */
export interface Executions {
  /**
   * Executes a task for a business id, unless it was executed, or is being executed.
   *
   * @param work what it throws makes the execution FAILED, and the next one takes it over: whatever it has left behind, it has to bear
   * being done again
   * @returns what the work returned, as JSON gives it back; or why it was skipped
   * @throws {@link ExecutionTakenOver} if it ended after another one had taken it over: what that one does counts
   * @throws what the work throws
   * @throws the database's error. Of storing the end: the work was done, and nobody knows it; it is done again when it is stale
   */
  run<Result>(of: ExecutionKey, work: (execution: Execution) => Promise<Result>): Promise<Executed<Result>>;
}

/** What is executed, and for what. */
export interface ExecutionKey {
  /** Such as `grant-points`. 1 to 200 characters */
  readonly task: string;
  /** What it is executed for, such as the order's id: the same for every attempt. 1 to 200 characters */
  readonly businessId: string;
}

/** An execution under way. */
export interface Execution extends ExecutionKey {
  /** 1 for the first one; one more for each that took over. */
  readonly attempt: number;
  /** Aborted when it is stale, and anybody may take it over. */
  readonly signal: AbortSignal;
  /**
   * Stores SUCCESS in the SQL transaction of the work: the work is committed once and with it, or not at all. Whoever would take it over
   * waits until that transaction has ended.
   *
   * @throws {@link ExecutionTakenOver} roll back then
   */
  complete(sql: Sql, result?: unknown): Promise<void>;
}

/**
 * What became of it. `success`: it was executed before, with this result. `processing`: somebody does it, since a time in milliseconds
 * since 1970, or did until it died: whoever needs it done asks again, at the latest when it is stale.
 */
export type Executed<Result> =
  | { readonly outcome: 'done'; readonly result: Result; readonly attempt: number }
  | { readonly outcome: 'skipped'; readonly because: 'success'; readonly result: Result }
  | { readonly outcome: 'skipped'; readonly because: 'processing'; readonly since: number };

/** An execution was stale, and another one has taken it over. */
export class ExecutionTakenOver extends Error {
  constructor({ task, businessId, attempt }: ExecutionKey & { readonly attempt: number }) {
    super(
      `attempt ${attempt} of '${task}' for '${businessId}' ended too late: another one has taken it over, and what that one does counts`,
    );
    this.name = 'ExecutionTakenOver';
  }
}

/** Options of {@link createExecutions}. */
export interface ExecutionOptions {
  readonly database: Database;
  /**
   * After how long an execution that has not ended is stale, in milliseconds, by the database's clock: longer than any takes, and less
   * than 2^31. Default: 10 minutes
   */
  readonly staleAfterMs?: number;
}

/** How long the database may take for a record, with its connection, in milliseconds. */
const ASK_MS = 10_000;
/** A row may be removed between two looks at it. */
const LOOKS = 3;

interface Row {
  readonly state: 'PROCESSING' | 'SUCCESS' | 'FAILED';
  readonly attempt: number;
  readonly result: string | null;
  readonly startedAt: number;
}

/** Makes the execution records of a database. The tables are made by `idempotencyMigrations`. @throws a RangeError for wrong options */
export function createExecutions({ database, staleAfterMs = 600_000 }: ExecutionOptions): Executions {
  // A timer takes no more.
  if (!(Number.isSafeInteger(staleAfterMs) && staleAfterMs >= 1 && staleAfterMs < 2 ** 31)) {
    throw new RangeError(
      `staleAfterMs is ${staleAfterMs}: it must be a whole number of milliseconds from 1 to 2^31 - 1`,
    );
  }

  /** The answer of the first may be lost, and the execution be this owner's without its knowing: it asks once more. */
  async function takeFor(owner: string, { task, businessId }: ExecutionKey): Promise<number | undefined> {
    const ask = () => database.run<{ attempt: number }>(take, [task, businessId, staleAfterMs, owner], ASK_MS);
    const [taken] = await ask().catch(ask);
    return taken?.attempt;
  }

  /** Takes it, or says why it is not to be had. */
  async function begin<Result>({ task, businessId }: ExecutionKey): Promise<number | Executed<Result>> {
    const owner = randomUUID();
    for (let look = 0; look < LOOKS; look++) {
      const taken = await takeFor(owner, { task, businessId });
      if (taken !== undefined) return taken;
      const [row] = await database.run<Row>(read, [task, businessId], ASK_MS);
      if (row?.state === 'SUCCESS') {
        return { outcome: 'skipped', because: 'success', result: fromJson(row.result) as Result };
      }
      if (row?.state === 'PROCESSING') return { outcome: 'skipped', because: 'processing', since: row.startedAt };
      // It has failed, or was removed, since.
    }
    throw new Error(`'${task}' for '${businessId}' is taken and ended again and again by others: try again`);
  }

  return {
    async run(of, work) {
      for (const [name, text] of Object.entries({ task: of.task, businessId: of.businessId })) {
        if (text.length < 1 || text.length > 200) {
          throw new RangeError(`${name} of an execution is '${text}': it must have 1 to 200 characters`);
        }
      }
      const { task, businessId } = of;
      // Counted from before the database began to: it is stale here first.
      const stale = AbortSignal.timeout(staleAfterMs);
      const attempt = await begin<never>(of);
      if (typeof attempt !== 'number') return attempt;

      const finish = async (sql: Sql, state: string, result: string | null, failure: string | null) => {
        const ended = await sql(end, [task, businessId, attempt, state, result, failure]);
        return ended.length > 0;
      };
      const late = () => new ExecutionTakenOver({ task, businessId, attempt });
      const alone: Sql = (text, values) => database.run(text, values, ASK_MS);
      const isOurs = async () => {
        const [row] = await alone<Row>(read, [task, businessId]);
        return row?.state === 'SUCCESS' && row.attempt === attempt;
      };
      const known = { isCompleted: false };
      const execution: Execution = {
        ...{ task, businessId, attempt, signal: stale },
        async complete(sql, result) {
          if (!(await finish(sql, 'SUCCESS', toJson(result), null))) throw late();
          known.isCompleted = true;
        },
      };
      let json: string | null;
      try {
        json = toJson(await work(execution));
      } catch (error) {
        const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
        // If that cannot be stored it is taken over when it is stale.
        await finish(alone, 'FAILED', null, toLog({ type: name, message })).catch(() => false);
        throw error;
      }
      const done = { outcome: 'done', result: fromJson(json) as never, attempt } as const;
      if (known.isCompleted) {
        if (await isOurs()) return done;
        // Its transaction was rolled back, whatever the work says of it: nothing is done, and nobody may take it for done.
        const message = `'${task}' of ${businessId} was completed in a transaction that was rolled back: it is not done`;
        if (!(await finish(alone, 'FAILED', null, toLog({ type: 'RolledBack', message })))) throw late();
        throw new Error(message);
      }
      if ((await finish(alone, 'SUCCESS', json, null)) || (await isOurs())) return done;
      throw late();
    },
  };
}
