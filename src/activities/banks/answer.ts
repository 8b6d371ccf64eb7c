import type { BankName } from '../../contracts/transfer.js';
import { Rejection, type Database } from '../../kit/database/index.js';
import { within } from '../../kit/database/within.js';

/** How long a bank's database may take to answer somebody who looks, in milliseconds, with the wait for its connection. */
const ANSWER_MS = 3_000;
/** How long a change waits for a transaction that has locked the account, in milliseconds. */
export const LOCK_MS = 1_500;

/** A bank's database cannot be asked. One line: which, why, and what to do. */
export class BankSilent extends Error {
  constructor(bank: BankName, error: unknown) {
    const why = error instanceof Error ? error.message || error.name : String(error);
    super(
      `the database of ${bank} cannot be asked (${why}): see that it is up, and that workers reach it (DATABASE_URL_${bank.toUpperCase()} or DATABASE_URL), then ask again`,
    );
    this.name = 'BankSilent';
  }
}

/**
 * Asks a bank's database for somebody who waits: it answers soon, or not at all.
 *
 * @throws {@link BankSilent}; a {@link Rejection} as it is
 */
export async function answerOf<T>(
  bank: BankName,
  { run }: Database,
  ask: (run: <Row extends object>(text: string, values: readonly unknown[]) => Promise<Row[]>) => Promise<T>,
): Promise<T> {
  try {
    return await within(
      ANSWER_MS,
      ask((text, values) => run(text, values, ANSWER_MS)),
    );
  } catch (error) {
    throw error instanceof Rejection ? error : new BankSilent(bank, error);
  }
}
