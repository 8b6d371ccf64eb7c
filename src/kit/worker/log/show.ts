import type { Client } from '@temporalio/client';
import { runsOf } from '../../client/log/runs.js';
import { guardsOf } from '../../database/log/guards.js';
import type { Masks } from '../../database/log/mask.js';
import { entriesOf, type LogRow } from '../../database/log/rows.js';
import type { CompensationLog } from '../../database/log/store.js';
import { messageOf } from '../../database/message.js';
import type { Database } from '../../database/sql.js';
import type { LogEntry, LogPage } from '../../workflow/log.js';
import { rowsOfRun } from './histories.js';

/** What the log of one transaction is read from. */
export interface ShowSources {
  readonly client: Client;
  readonly databases: Readonly<Record<string, Database>>;
  readonly log: CompensationLog | undefined;
  readonly masks: Masks;
}

/** Bytes that one answer carries; Temporal takes 2 MB. A longer value is left out of it. */
const PAGE_BYTES = 1_000_000;
const VALUE_BYTES = 200_000;

/**
 * The log of one transaction from its entry number `from`: read anew from the guards and the histories, put into the log
 * where one is kept, and answered with what that has kept before. What cannot be read is noted, and the rest answered.
 */
export async function showLog(sources: ShowSources, gid: string, from: number): Promise<LogPage> {
  const { client, databases, log, masks } = sources;
  const notes: string[] = [];
  const noting = async <T>(what: string, work: Promise<T>, otherwise: T): Promise<T> =>
    work.catch((error: unknown) => {
      notes.push(`${what}: ${messageOf(error)}`);
      return otherwise;
    });

  const guards = Object.entries(databases).map(([service, database]) =>
    noting(`the database of the service '${service}' cannot be read`, guardsOf(service, database, gid), []),
  );
  const runs = await noting('the histories cannot be found', runsOf(client, gid), []);
  const histories = runs.map((run) =>
    noting(`the history of run ${run.runId} cannot be read`, rowsOfRun(client, masks, run), []),
  );
  const fresh = (await Promise.all([...guards, ...histories])).flat();

  const rows = log === undefined ? fresh : await noting(unkept, keep(log, gid, fresh), fresh);
  if (log === undefined)
    notes.push('there is no operations database (DATABASE_URL_OPERATIONS): nothing of this is kept');
  const entries = entriesOf(rows).map(shortened);
  const page = fitting(entries.slice(from));
  const next = from + page.length;
  return {
    gid,
    found: runs.length > 0 || entries.length > 0,
    entries: page,
    next: next < entries.length ? next : undefined,
    notes,
  };
}

const unkept =
  'the operations database cannot be used, so that this is not kept now, and what is gone elsewhere is missing';

async function keep(log: CompensationLog, gid: string, fresh: readonly LogRow[]): Promise<LogRow[]> {
  await log.put(fresh);
  return log.entries(gid);
}

/** As many as one answer carries, one at least. */
function fitting(entries: readonly LogEntry[]): LogEntry[] {
  let bytes = 0;
  const end = entries.findIndex((entry) => {
    bytes += bytesOf(entry);
    return bytes > PAGE_BYTES;
  });
  return entries.slice(0, end === -1 ? undefined : Math.max(end, 1));
}

function shortened(entry: LogEntry): LogEntry {
  const short = (value: unknown) => {
    const bytes = bytesOf(value);
    return bytes > VALUE_BYTES ? `(${bytes} bytes, left out here)` : value;
  };
  return { ...entry, input: short(entry.input), result: short(entry.result) };
}

function bytesOf(value: unknown): number {
  return value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));
}
