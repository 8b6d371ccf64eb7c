import type { BankName } from '../../contracts/transfer.js';
import { Rejection, type Database, type Sql } from '../../kit/database/index.js';
import { messageOf } from '../../kit/database/message.js';
import { NoAnswer, within } from '../../kit/database/within.js';

/** How long a bank's database may take to answer somebody who looks, in milliseconds, with the wait for its connection. */
const ANSWER_MS = 3_000;
/** How long a change waits for a transaction that has locked the account, in milliseconds. */
export const LOCK_MS = 1_500;

/** A bank's database does not answer, or has no connection free. One line: which, why, and what to do. */
export class BankSilent extends Error {
  constructor(bank: BankName, error: unknown) {
    super(
      `the database of ${bank} is silent or busy (${messageOf(error)}): see that it is up, and that workers reach it (DATABASE_URL_${bank.toUpperCase()} or DATABASE_URL), then ask again`,
    );
    this.name = 'BankSilent';
  }
}

/** How a bank's database is asked for somebody who waits. */
export interface Asked {
  readonly run: Sql;
  /**
   * A transaction of one statement, for what changes something: it is not begun any more when nobody waits for it, and its commit is
   * sent by a client that is still there, or never.
   *
   * @param valuesOf given what is left of the time, in milliseconds
   */
  readonly change: <Row extends object>(
    text: string,
    valuesOf: (leftMs: number) => readonly unknown[],
  ) => Promise<Row[]>;
}

/**
 * Asks a bank's database for somebody who waits: it answers soon, or not at all.
 *
 * @throws {@link BankSilent}; a {@link Rejection} as it is
 */
export async function answerOf<T>(bank: BankName, database: Database, ask: (asked: Asked) => Promise<T>): Promise<T> {
  const until = performance.now() + ANSWER_MS;
  const asked: Asked = {
    run: (text, values) => database.run(text, values, ANSWER_MS),
    change: (text, valuesOf) =>
      database.transaction((sql) => {
        const leftMs = Math.floor(until - performance.now());
        if (leftMs <= 0) throw new NoAnswer('it had no connection in time');
        return sql(text, valuesOf(leftMs));
      }, ANSWER_MS),
  };
  try {
    return await within(ANSWER_MS, ask(asked));
  } catch (error) {
    throw error instanceof Rejection ? error : new BankSilent(bank, error);
  }
}
