import type { Database } from '../sql.js';
import { sqlStateOf } from '../sqlstate.js';
import type { LogRow } from './rows.js';
import * as statements from './statements.js';
import type { CompensationLog, Cursor } from './store.js';

/** Bounds of one collection. */
export interface CollectOptions {
  /** Rows that are read and kept at a time; default: 1,000. */
  readonly batch?: number;
  /** Called between batches; what it throws ends the collection, and what was collected stays. */
  readonly heartbeat?: () => void;
  /** Milliseconds since 1970 after which no further batch is begun. Default: none. */
  readonly until?: number;
}

/** Bytes of inputs, results and failures in a batch, as the database stores them; a single row may be larger. */
const BATCH_BYTES = 4_000_000;

/** How long the database may take for a batch, in milliseconds: less than a collector is waited for between heartbeats. */
const BATCH_MS = 25_000;

interface Page {
  readonly target: string;
  readonly ahead: boolean;
  readonly found: number;
  readonly kept: number;
  readonly position: string | null;
  readonly rows: string | null;
}

/**
 * Collects what was written to one participant's guard since the last collection. A row is read again only when it was
 * written again. Invariant: what was committed when a finished collection began is in the log after it; a transaction
 * that was open then is read by a later one, however late it commits.
 *
 * @returns how many rows were read, and whether these were all
 * @throws the error of the database that cannot be used: nothing is lost, the next collection goes on where this was
 */
export async function collectGuards(
  service: string,
  database: Database,
  log: CompensationLog,
  { batch = 1_000, heartbeat = () => undefined, until = Infinity }: CollectOptions = {},
): Promise<{ rows: number; finished: boolean }> {
  const source = `guard:${service}`;
  const identity = await identityOf(database);
  let rows = 0;
  let cursor = await log.cursor(source);
  if (cursor.identity !== identity) cursor = fromBeginning(cursor);
  // An earlier collection ended before it had read all that it saw: that is read first, and then what came since.
  let behind = cursor.target !== null;
  for (;;) {
    const statement = cursor.done === null ? statements.allGuards : statements.guardsSince;
    const values = [service, cursor.done, cursor.target, cursor.position, batch, BATCH_BYTES];
    const page = await database.transaction(async (sql) => {
      await sql(statements.inOrder, [String(BATCH_MS)]);
      const [found] = await sql<Page>(statement, values);
      return found;
    }, BATCH_MS + 5_000);
    if (page === undefined) throw new Error('a page of guard rows is one row');
    // A snapshot of the future: this database was restored to an earlier time.
    if (page.ahead) {
      cursor = fromBeginning(cursor);
      behind = false;
      continue;
    }
    const finished = page.found < batch && page.kept === page.found;
    if (page.found === 0 && page.target === cursor.done) return { rows, finished };
    const next: Cursor = finished
      ? { ...cursor, identity, done: page.target, target: null, position: null }
      : { ...cursor, identity, target: page.target, position: page.position };
    // Another collector has gone on from here: it goes on.
    if (!(await log.move(source, next, page.rows ?? '[]'))) return { rows, finished: false };
    rows += page.kept;
    cursor = { ...next, version: String(BigInt(cursor.version) + 1n) };
    if (finished && !behind) return { rows, finished };
    if (finished) behind = false;
    if (Date.now() >= until) return { rows, finished: false };
    heartbeat();
  }
}

/** The guard's rows of one transaction, at once. */
export async function guardsOf(service: string, database: Database, gid: string): Promise<LogRow[]> {
  const [found] = await database.run<{ rows: string }>(statements.guardsOf, [service, gid]);
  return JSON.parse(found?.rows ?? '[]') as LogRow[];
}

function fromBeginning(cursor: Cursor): Cursor {
  return { ...cursor, done: null, target: null, position: null };
}

/** Not allowed to ask; not supported; a server that follows another. */
const UNTOLD = ['42501', '0A000', '55000', '42883'];

/** Which database this is; a recovery makes another one of it. Empty where the role may not know. */
async function identityOf(database: Database): Promise<string> {
  try {
    const [found] = await database.run<{ identity: string }>(statements.identity, []);
    return found?.identity ?? '';
  } catch (error) {
    if (UNTOLD.includes(sqlStateOf(error) ?? '')) return '';
    throw error;
  }
}
