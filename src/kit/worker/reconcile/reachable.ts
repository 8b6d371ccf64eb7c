import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Pair } from '../../database/reconcile/pair.js';
import type { Database } from '../../database/sql.js';
import { within } from '../../database/within.js';
import type { ParticipantDatabases } from '../adopt.js';
import { distinctOf, readAll } from '../read-all.js';

/**
 * Names the database that cannot be asked. A pair reads several, and what a client of one says of it names none; and one that takes
 * connections and never answers would hold up a pair for as long as all its statements may take.
 */

/** How long a database may take to say that it is there, with its connection; in milliseconds. */
const THERE_MS = 3_000;
/** Attempts of one pair: the others wait. */
const ATTEMPTS = 3;

/** @throws ApplicationFailure `DatabaseUnavailable` that names those of a pair's sides that cannot be asked */
export async function reachSides({ sides }: Pair, databases: ParticipantDatabases): Promise<void> {
  const read = new Set<unknown>(
    sides.flatMap((side) => (side !== 'none' && 'parts' in side ? side.parts.map(({ database }) => database) : [])),
  );
  await reach([...distinctOf(databases)].filter(([, database]) => read.has(database)));
}

/** Does some work in databases. @throws what it throws; where databases cannot be asked, `DatabaseUnavailable` that names them instead */
export async function naming<T>(databases: ParticipantDatabases, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    Context.current().cancellationSignal.throwIfAborted();
    if (!(error instanceof ApplicationFailure)) await reach([...distinctOf(databases)]);
    throw error;
  }
}

async function reach(databases: readonly (readonly [string, Database])[]): Promise<void> {
  const { unread } = await readAll(new Map(databases), (database) =>
    within(THERE_MS, database.run('select 1', [], THERE_MS)),
  );
  if (unread.length === 0) return;
  const nonRetryable = Context.current().info.attempt >= ATTEMPTS;
  throw ApplicationFailure.create({ type: 'DatabaseUnavailable', message: unread.join('; '), nonRetryable });
}
