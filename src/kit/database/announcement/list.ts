import type { JournalLine, JournalListOrder, JournalPosition } from '../../workflow/journal.js';
import type { Database } from '../sql.js';
import { readWithin } from './read-within.js';
import { listEnded, listRunning } from './statements.js';

/** A line with its place in the list. */
export type PlacedLine = JournalLine & JournalPosition;

type ReadLine = Omit<PlacedLine, 'endedAt' | 'transaction'> & {
  readonly transaction: string | null;
  readonly endedAt: string | null;
};

/** Reads the next `scan` lines of a list from one database, whatever their state; fewer: these are the last. */
export async function readList(
  db: Database,
  { of, since, after }: Pick<JournalListOrder, 'of' | 'since' | 'after'>,
  scan: number,
  statements: Readonly<Record<JournalListOrder['of'], string>> = { running: listRunning, ended: listEnded },
): Promise<PlacedLine[]> {
  const values = [after?.at ?? null, after?.gid ?? null, since ?? null, scan];
  const [found] = await readWithin<{ lines: string }>(db, statements[of], values);
  return (JSON.parse(found?.lines ?? '[]') as ReadLine[]).map(
    ({ gid, at, state, transaction, lane, beganAt, endedAt }) => ({
      ...{ gid, at, state, lane, beganAt: new Date(beganAt).toISOString() },
      ...(transaction !== null && { transaction }),
      ...(endedAt !== null && { endedAt: new Date(endedAt).toISOString() }),
    }),
  );
}
