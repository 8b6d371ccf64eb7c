import { readList, type PlacedLine } from '../database/announcement/list.js';
import type { Database } from '../database/sql.js';
import { readStateList } from '../database/state-table/list.js';
import type { JournalLine, JournalList, JournalListOrder, JournalPosition } from '../workflow/journal.js';
import { deskIdOf } from '../workflow/state-table/desk.js';
import { readAll } from './read-all.js';

/** `scan`: lines that are read of each database at a time; `most`: that an answer has, as Temporal carries 2 MB. */
const BOUNDS = { scan: 1_000, most: 3_000 };
/** How long lines are looked for before those that were found are answered, in milliseconds. */
const LOOK_MS = 5_000;

/**
 * A part of the list of transactions that are driven outside Temporal, merged from all databases. It may be empty and have a
 * next part: what was read had not the state that is asked for.
 */
export async function listJournal(
  databases: ReadonlyMap<string, Database>,
  order: JournalListOrder,
  { scan, most } = BOUNDS,
  tables: ReadonlyMap<string, Database> = new Map(),
): Promise<JournalList> {
  const asked: Sources = {
    databases: order.scheme === 'state' ? new Map() : databases,
    tables: order.scheme === 'saga' ? new Map() : tables,
  };
  const until = Date.now() + LOOK_MS;
  const lines = new Map<string, JournalLine>();
  const unread = new Set<string>();
  let after = order.after;
  do {
    const found = await nextLines(asked, { ...order, after }, scan);
    for (const line of found.unread) unread.add(line);
    for (const { at, ...line } of found.lines) {
      if (order.state === undefined || line.state === order.state) lines.set(line.gid, line);
      after = { at, gid: line.gid };
      if (lines.size === most) return { lines: [...lines.values()], next: after, unread: [...unread] };
    }
    after = found.next;
  } while (after !== undefined && lines.size < order.limit && Date.now() < until);
  return { lines: [...lines.values()], next: after, unread: [...unread] };
}

/** Where transactions are found that are driven outside Temporal: participants' databases, and those of state tables. */
interface Sources {
  readonly databases: ReadonlyMap<string, Database>;
  readonly tables: ReadonlyMap<string, Database>;
}

/** What comes next, as far as every database has been read. */
async function nextLines(
  { databases, tables }: Sources,
  { of, since, after }: Pick<JournalListOrder, 'of' | 'since' | 'after'>,
  scan: number,
): Promise<{ lines: PlacedLine[]; next?: JournalPosition; unread: string[] }> {
  const [journals, states] = await Promise.all([
    readAll(databases, (database) => readList(database, { of, since, after }, scan)),
    readAll(tables, (database) => readStateList(database, { of, since, after }, scan)),
  ]);
  const desked = states.read.map(({ home, found }) => ({
    found: found.map((line): PlacedLine => ({ ...line, desk: deskIdOf(home, line.gid) })),
  }));
  const read = [...journals.read, ...desked];
  const unread = [...journals.unread, ...states.unread];
  const ends = read.filter(({ found }) => found.length === scan).map(({ found }) => found.at(-1) as JournalPosition);
  const [next] = ends.sort(newestFirst);
  const lines = read
    .flatMap(({ found }) => found)
    .filter((line) => next === undefined || newestFirst(line, next) <= 0)
    .sort(newestFirst);
  return {
    lines: lines.filter(({ beganAt }) => since === undefined || beganAt >= since),
    next: positionOf(next),
    unread,
  };
}

function positionOf(position: JournalPosition | undefined): JournalPosition | undefined {
  return position && { at: position.at, gid: position.gid };
}

function newestFirst(a: JournalPosition, b: JournalPosition): number {
  const [first, second] = [BigInt(a.at), BigInt(b.at)];
  if (first !== second) return first > second ? -1 : 1;
  return a.gid === b.gid ? 0 : a.gid > b.gid ? -1 : 1;
}
