import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Crew } from './crew.js';
import type { Place } from './business/business.js';
import type { Progress } from './progress.js';

/**
 * Looks at all databases at one moment, in the midst of a run: every process that works on them stands still, and the server
 * says that nothing was written, nor came to be seen, while they were read. What is prepared stays prepared meanwhile, what is half done is half
 * done: only what was committed is seen, as by everybody.
 */

/** When so many of a hundred transactions have ended. */
const AT = [20, 40, 60, 80];
/** Looks that a run has to have at least. */
export const CUTS = 2;
/** A moment at which nothing is written is looked for so often, every so many milliseconds. */
const TRIES = 20;
const PAUSE_MS = 150;

const AT_NOW = `select pg_current_wal_insert_lsn()::text || ' ' || pg_current_snapshot()::text as at`;

/** What {@link takeCuts} needs. */
export interface Cutting {
  readonly place: Place;
  readonly crew: Crew;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Reads, and returns a line for each thing that is wrong. */
  readonly look: (place: Place) => Promise<readonly string[]>;
  /** Told of each. */
  readonly onCut: () => void;
  readonly onProblem: (line: string) => void;
}

/** Takes cuts while a run goes on. Where a server is down, or comes up, there is none. */
export async function takeCuts({ place, crew, progress, signal, look, onCut, onProblem }: Cutting): Promise<void> {
  for (const share of AT) {
    await progress.reached(Math.ceil((progress.total * share) / 100), 60_000);
    if (signal.aborted) return;
    const lines = await crew.still(() => atOneMoment(place, look));
    if (lines === undefined) continue;
    onCut();
    for (const line of lines) onProblem(`at ${share} %: ${line}`);
  }
}

async function atOneMoment(place: Place, look: Cutting['look']): Promise<readonly string[] | undefined> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    try {
      const before = await written(place);
      const lines = await look(place);
      if ((await written(place)) === before) return lines;
    } catch (error) {
      // PostgreSQL is down, or comes up; anything else is a mistake of the look itself.
      if (error instanceof pg.DatabaseError && !error.code?.startsWith('57P') && !error.code?.startsWith('08'))
        throw error;
    }
    await delay(PAUSE_MS);
  }
  return undefined;
}

/**
 * How far the server has written its log, and what it shows of that: all databases are of one server. Of a commit the record is
 * written first, and it is seen only when that is on the disk: in between the log stands still, and what is seen changes.
 */
export async function written({ databaseUrl }: Pick<Place, 'databaseUrl'>): Promise<string> {
  const database = new pg.Client({ connectionString: databaseUrl('orders'), connectionTimeoutMillis: 1_000 });
  await database.connect();
  try {
    const { rows } = await database.query<{ at: string }>(AT_NOW);
    return rows[0]?.at ?? '';
  } finally {
    await database.end();
  }
}
