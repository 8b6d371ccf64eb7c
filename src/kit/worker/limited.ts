import { messageOf } from '../database/message.js';
import type { Database } from '../database/sql.js';
import { NoAnswer, within } from '../database/within.js';

/** Readings that end in any case: a database or a server that is silent would hold up what is done about all others. */

/**
 * How long one reading for the scan may take, in milliseconds, with the wait for its connection: a third of the time in which the
 * scan has to give a sign of life.
 */
export const READ_MS = 10_000;

/** What the scan asks the server of one transaction, in {@link READ_MS}: what it asks of the next does not wait for it longer. */
export function ofServer<T>(asked: Promise<T>): Promise<T> {
  return within(READ_MS, asked, 'the server');
}

/** A participant's database, as one scan asks it: once it has failed to be read it is not asked again, as each time would take as long. */
export interface Limited extends Pick<Database, 'run'> {
  /** Why it could not be asked, if so. */
  readonly failure: () => string | undefined;
  /** Does work in it that is no reading: only where it does not answer in time is it not asked again. */
  readonly ask: <T>(ms: number, work: (database: Database) => Promise<T>) => Promise<T>;
}

export function limited(participant: string, database: Database): Limited {
  let failure: string | undefined;
  const refused = () => new Error(`the database of '${participant}' cannot be read: ${failure ?? ''}`);
  const asking = async <T>(ms: number, work: () => Promise<T>, ends: (error: unknown) => boolean): Promise<T> => {
    if (failure !== undefined) throw refused();
    try {
      return await within(ms, work());
    } catch (error) {
      if (!ends(error)) throw error;
      failure = messageOf(error);
      throw refused();
    }
  };
  return {
    failure: () => failure,
    run: (text, values) =>
      asking(
        READ_MS,
        () => database.run(text, values, READ_MS),
        () => true,
      ),
    ask: (ms, work) =>
      asking(
        ms,
        () => work(database),
        (error) => error instanceof NoAnswer,
      ),
  };
}

/** What is read part by part, each of them within {@link READ_MS}. */
export async function* eachInTime<T>(read: AsyncIterable<T>): AsyncGenerator<T> {
  const parts = read[Symbol.asyncIterator]();
  let isOver = false;
  try {
    for (;;) {
      const next = await within(READ_MS, parts.next());
      isOver = next.done === true;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // One that is silent does not hear that it is to end, either: nobody waits for that.
    if (!isOver) void Promise.resolve(parts.return?.()).catch(() => undefined);
  }
}
