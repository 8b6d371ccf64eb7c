import { setTimeout as delay } from 'node:timers/promises';
import { columnName, matches, tableName, type Values } from '../identifiers.js';
import type { Sql } from '../sql.js';

/**
 * The version update (optimistic lock): a row is read without a lock, changed by whoever read it, and written only if it is still as it
 * was read: a number of the row says so, which every write raises.
 *
 * States of an update: read → written; or read → overtaken → read again, so often at most.
 *
 * Invariant: what is written was computed from the row that it replaces. No update is lost, whatever happened between read and write.
 *
 * It makes nothing idempotent by itself: a change that is asked for twice is made twice. And it is for rows that few want at once: under
 * many the losers read again, and all of their work with it; there a plain `set balance = balance - $1`, or a row lock, is cheaper.
 */

/** A row with a version. */
export interface VersionedRow {
  /** The table: a name in code, never input. */
  readonly table: string;
  /** What finds the row, by its columns. */
  readonly key: Values;
  /** The column of the version: an integer that is not null. Default: `version` */
  readonly version?: string;
}

/** Others were first each time. Nothing was written: try again later. */
export class VersionConflict extends Error {
  constructor({ table, key }: VersionedRow, tries: number) {
    super(
      `row ${JSON.stringify(key)} of ${table} was changed by others ${tries} times while it was being changed: try again later`,
    );
    this.name = 'VersionConflict';
  }
}

/** How often a row is read at most, by default. */
const TRIES = 10;
/** The longest pause before a row is read again, in milliseconds. */
const LONGEST_PAUSE_MS = 50;

/**
 * Changes a row by what it is.
 *
 * @param sql statements by themselves, or a SQL transaction at READ COMMITTED: at other levels what others wrote is never seen, and
 * the first conflict is the database's own error
 * @param change what to set, by columns, computed from the row; undefined: nothing is to be done. It is called again for each try, so it
 * does nothing but compute
 * @param options `tries`: how often the row is read at most; default: 10, with short pauses of random length between
 * @returns the row as it is then; undefined if there is none
 * @throws {@link VersionConflict} when others were first each time; what `change` throws
 */
export async function updateVersioned<Row extends object>(
  sql: Sql,
  of: VersionedRow,
  change: (row: Row) => Values | undefined,
  { tries = TRIES }: { readonly tries?: number } = {},
): Promise<Row | undefined> {
  if (!(Number.isSafeInteger(tries) && tries >= 1)) throw new RangeError(`tries is ${tries}: it must be 1 at least`);
  const { table, key, version = 'version' } = of;
  const where = matches(key, 1);
  const keyed = Object.values(key);
  const read = `select * from ${tableName(table)} where ${where}`;
  for (let tried = 1; ; tried++) {
    const [row] = await sql<Row>(read, keyed);
    if (row === undefined) return undefined;
    const set = change(row);
    if (set === undefined) return row;
    const first = keyed.length + 2;
    const sets = Object.keys(set).map((column, place) => `${columnName(column)} = $${first + place}`);
    const raised = `${columnName(version)} = ${columnName(version)} + 1`;
    const [written] = await sql<Row>(
      `update ${tableName(table)} set ${[...sets, raised].join(', ')}
where ${where} and ${columnName(version)} = $${keyed.length + 1} returning *`,
      [...keyed, (row as Values)[version], ...Object.values(set)],
    );
    if (written !== undefined) return written;
    if (tried === tries) throw new VersionConflict(of, tries);
    await delay(Math.random() * Math.min(2 ** tried, LONGEST_PAUSE_MS));
  }
}
