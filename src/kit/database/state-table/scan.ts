import { randomUUID } from 'node:crypto';
import { toLog } from '../guard/json.js';
import { drive, listOf, moved, type Drive, type TableOf } from './drive.js';
import type { StateFailure, StateRow } from '../../workflow/state-table/row.js';
import * as statements from './statements.js';

/** What a round has come to. `error`: a person has to see to it. */
export type RoundEnd = 'ended' | 'again' | 'error';

/** A round that was made. */
export interface Round {
  readonly end: RoundEnd;
  readonly row: StateRow;
  readonly failure?: StateFailure;
  /** The operation that gave no definite answer, if one did not. */
  readonly operation?: string;
}

/**
 * The scan's part of a state table: takes rows that are due, and makes a round of each: every operation that is not known to be
 * done is called once more, in its order.
 */
export class StateScan {
  readonly #table: TableOf;

  constructor(table: TableOf) {
    this.#table = table;
  }

  /** How long a round may take, in milliseconds: after that the row is due again. */
  get roundMs(): number {
    const { scanAfterMs, attemptMs } = this.#table.limits;
    return Math.max(scanAfterMs, 2 * attemptMs);
  }

  /**
   * Takes rows that are due, at most so many, the oldest first. Those in state `error` are to be taken to the desk. Any number of
   * scans may do so at once: a row is one's alone until its round is over.
   */
  async take(most: number): Promise<{ readonly driver: string; readonly rows: readonly StateRow[] }> {
    const driver = `state-scan:${randomUUID()}`;
    const rows = await moved(this.#table, statements.take, [most, driver, this.roundMs]);
    return { driver, rows: rows.sort((a, b) => a.createdAt - b.createdAt) };
  }

  /**
   * Makes a round of a row that was taken.
   *
   * @returns with what the operation that failed said, where one did
   * @throws if the table cannot be used: the row is due again after {@link roundMs}
   */
  async round(row: StateRow, driver: string, signal?: AbortSignal): Promise<Round> {
    const { limits, who } = this.#table;
    // The rounds before this one were begun, and the last of them did not live to tell.
    const isOver = row.rounds > limits.rounds;
    const until = performance.now() + this.roundMs * 0.8;
    const driven: Drive = isOver
      ? { row, failure: lostRound(row) }
      : await drive(this.#table, row, { driver, who, attempts: 1, until, signal });
    const { failure, operation, results = [] } = driven;
    if (failure === undefined) return { end: driven.row.state === 'error' ? 'error' : 'ended', row: driven.row };
    if (signal?.aborted === true) {
      await this.giveBack(row.gid, driver, 0);
      return { end: 'again', failure, operation, row: driven.row };
    }
    const progress = [driven.row.done, results.length, listOf(results)];
    const values = [row.gid, driver, toLog(failure), limits.rounds, limits.scanAfterMs, ...progress];
    const [ended = driven.row] = await moved(this.#table, statements.endRound, values);
    return { end: ended.state === 'error' ? 'error' : 'again', failure, operation, row: ended };
  }

  /** Gives a row back of which no round was made, or that could not be taken to the desk: it is due again after so many milliseconds. */
  async giveBack(gid: string, driver: string, dueInMs: number): Promise<void> {
    await moved(this.#table, statements.giveBack, [gid, driver, dueInMs]);
  }

  /**
   * Notes, before a row is taken to the desk, that somebody there is to be told if it ends: it may at any moment.
   *
   * @returns whether it is to be taken there: it is an error still
   */
  async toDesk(gid: string): Promise<boolean> {
    return (await moved(this.#table, statements.toDesk, [gid])).length > 0;
  }

  /** Notes that a person has it. */
  async atDesk(gid: string): Promise<void> {
    const { database, limits } = this.#table;
    await database.run(statements.atDesk, [gid], limits.statementMs);
  }

  /** Rows that have ended while a person had them, at most so many: another caller's call has succeeded, or another round. */
  async endedAtDesk(most: number): Promise<readonly string[]> {
    const { database, limits } = this.#table;
    const rows = await database.run<{ gid: string }>(statements.endedAtDesk, [most], limits.statementMs);
    return rows.map(({ gid }) => gid);
  }

  /** Notes that nobody waits for a person's decision of it any more. */
  async offDesk(gid: string): Promise<void> {
    const { database, limits } = this.#table;
    await database.run(statements.offDesk, [gid], limits.statementMs);
  }
}

/** Why a row is an error none of whose last rounds came to an end. Of two states it is not known how far it came. */
function lostRound({ failure, twoStates }: StateRow): StateFailure {
  if (failure === undefined || !twoStates) return failure ?? NOT_TOLD;
  return { ...NOT_TOLD, message: `${NOT_TOLD.message}; the last that was told: ${failure.type}: ${failure.message}` };
}

const NOT_TOLD: StateFailure = {
  known: 'unknown',
  type: 'RoundLost',
  message: 'no round of it came to an end: whoever made them did not live to tell why',
};
