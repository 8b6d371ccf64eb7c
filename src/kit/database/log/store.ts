import { textToLog, toLog } from '../guard/json.js';
import { migrate } from '../migrate.js';
import type { Database } from '../sql.js';
import { sqlStateOf } from '../sqlstate.js';
import type { LogRow } from './rows.js';
import { logMigrations } from './schema.js';
import * as statements from './statements.js';

/** How far a source has been collected. */
export interface Cursor {
  readonly version: string;
  readonly identity: string | null;
  readonly done: string | null;
  readonly target: string | null;
  readonly position: string | null;
}

/** A run, as it was seen from outside when its history was read. */
export interface ReadRun {
  readonly gid: string;
  readonly runId: string;
  /** When it closed, if it has. ISO 8601. */
  readonly closedAt?: string;
  readonly seen: string;
}

/** A run that was read before. */
export interface KnownRun {
  readonly runId: string;
  /** Nothing can come any more. */
  readonly closed: boolean;
  readonly seen: string;
  /** It could not be read, and is not due again yet. */
  readonly waits: boolean;
}

/**
 * The compensation log's tables in the operations database. In what is put, a text that PostgreSQL has no place for is
 * replaced, as {@link toLog} does.
 */
export interface CompensationLog {
  /** Brings the tables to the newest schema; each of the others does so first, once. */
  open(): Promise<void>;
  cursor(source: string): Promise<Cursor>;
  /**
   * Puts entries into the log and moves the cursor from its version, both or neither.
   *
   * @param rows a JSON array of {@link LogRow}s
   * @returns false: somebody else has moved it, and nothing was written
   */
  move(source: string, cursor: Cursor, rows: string): Promise<boolean>;
  put(rows: readonly LogRow[]): Promise<void>;
  /**
   * Puts what a run's history told, and that it was read, both or neither.
   *
   * @throws what {@link isDataRefused} tells from a database that cannot be used, when it does not take this run's data
   */
  putRun(run: ReadRun, rows: readonly LogRow[]): Promise<void>;
  /** Notes that a run's history could not be read: it is due again after a pause. */
  failRun(run: Pick<ReadRun, 'gid' | 'runId'>): Promise<void>;
  knownRuns(runIds: readonly string[]): Promise<Map<string, KnownRun>>;
  /** Open runs that were not looked at since, the longest ago first. */
  openRuns(since: string, limit: number): Promise<(Pick<ReadRun, 'gid' | 'runId'> & { seen: string })[]>;
  /** Open runs were looked at; those that are gone are closed. */
  checked(runIds: readonly string[], gone: readonly string[]): Promise<void>;
  /** Forgets the closed runs that had ended before. */
  forgetRuns(before: string): Promise<void>;
  entries(gid: string): Promise<LogRow[]>;
  /** What persons have decided about transactions and their sagas, how runs of them ended, and who has made their steps: the newest last. */
  settled(gids: readonly string[]): Promise<SettledRow[]>;
}

/** A decision (`decide`), an `end`, or a `step` with nothing but its driver: columns of {@link LogRow}. */
export type SettledRow = Pick<
  LogRow,
  'gid' | 'branch' | 'op' | 'outcome' | 'input' | 'failure' | 'who' | 'driver' | 'final' | 'began_at'
> & {
  /** The run; null: a step. */
  readonly origin: string | null;
};

/** No such table, no such schema: the database was lost since it was opened, and begins anew. */
const GONE = ['42P01', '3F000'];

/** The log in this operations database, which need not be there yet. */
export function compensationLog(database: Database): CompensationLog {
  let opened: Promise<void> | undefined;
  const open = () => {
    opened ??= migrate(database, 'log', logMigrations).catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
  const run = async <Row extends object>(text: string, values: readonly unknown[]): Promise<Row[]> => {
    await open();
    try {
      return await database.run<Row>(text, values);
    } catch (error) {
      if (!GONE.includes(sqlStateOf(error) ?? '')) throw error;
      opened = undefined;
      await open();
      return database.run<Row>(text, values);
    }
  };
  return {
    open,
    async cursor(source) {
      const [cursor] = await run<Cursor>(statements.readCursor, [source]);
      // Another collector made it at this moment, and what this statement saw is older.
      return cursor ?? { version: '0', identity: null, done: null, target: null, position: null };
    },
    async move(source, { version, identity, done, target, position }, rows) {
      const [moved] = await run<{ moved: boolean }>(statements.moveCursor, [
        ...[source, version, rows],
        ...[identity, done, target, position],
      ]);
      return moved?.moved === true;
    },
    async put(rows) {
      await run(statements.putEntries, [toLog(rows)]);
    },
    async putRun({ gid, runId, closedAt, seen }, rows) {
      const closed = closedAt !== undefined;
      await run(statements.putRun, [toLog(rows), runId, textToLog(gid), closed, closedAt ?? null, seen]);
    },
    async failRun({ gid, runId }) {
      await run(statements.failRun, [runId, textToLog(gid)]);
    },
    async knownRuns(runIds) {
      const known = await run<KnownRun>(statements.knownRuns, [JSON.stringify(runIds)]);
      return new Map(known.map((each) => [each.runId, each]));
    },
    openRuns: (since, limit) => run(statements.openRuns, [since, limit]),
    async checked(runIds, gone) {
      await run(statements.checkedRuns, [JSON.stringify(runIds), JSON.stringify(gone)]);
    },
    async forgetRuns(before) {
      await run(statements.forgetRuns, [before]);
    },
    async entries(gid) {
      const [found] = await run<{ rows: string }>(statements.entriesOfGid, [textToLog(gid)]);
      return JSON.parse(found?.rows ?? '[]') as LogRow[];
    },
    async settled(gids) {
      const [found] = await run<{ rows: string }>(statements.settledOf, [gids.map(textToLog)]);
      return JSON.parse(found?.rows ?? '[]') as SettledRow[];
    },
  };
}
