import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { ServerNotPrepared, ServerUnavailable } from '../../client/errors.js';
import type { HistoryNote } from '../../client/log/notes.js';
import { readRun, runsById, runsSince, type FoundRun } from '../../client/log/runs.js';
import { maskedAnywhere, maskedInput, type Masks } from '../../database/log/mask.js';
import type { LogRow } from '../../database/log/rows.js';
import type { CompensationLog } from '../../database/log/store.js';
import { isDataRefused } from '../../database/sqlstate.js';
import type { HistoriesCollected } from '../../workflow/log.js';

/** What a collection of histories works with. */
export interface HistorySources {
  readonly client: Client;
  readonly log: CompensationLog;
  readonly masks: Masks;
  /** Hears, in one line, of a history that could not be read, or not be kept. */
  readonly onWarning: (line: string) => void;
  readonly heartbeat: () => void;
  /** Milliseconds since 1970 after which no further page is begun. */
  readonly until: number;
}

/** How far before the last complete collection is looked again: the server's list follows with a delay, clocks differ. */
const LOOK_BACK_MS = 10 * 60_000;
/** Open runs that one collection looks at again, at most. */
const OPEN_RUNS = 500;
/** Histories that are read side by side. */
const READERS = 8;
const SOURCE = 'histories';

/**
 * Collects from the histories of transactions that closed without simply committing since the last complete collection,
 * that became stuck since then, and of those that had been open when they were read. Each closed history is read once.
 * One that cannot be read or kept never stops the others: it is told of, and comes again.
 *
 * @throws when the Temporal server or the operations database cannot be used: the next collection looks at the same again
 */
export async function collectHistories(sources: HistorySources): Promise<HistoriesCollected> {
  const { client, log, heartbeat, until } = sources;
  const begun = new Date().toISOString();
  const cursor = await log.cursor(SOURCE);
  const since = new Date(cursor.done === null ? 0 : Math.max(0, Date.parse(cursor.done) - LOOK_BACK_MS));
  const counts = { runs: 0, failed: 0 };
  const collect = async (runs: readonly FoundRun[]) => {
    for (let from = 0; from < runs.length; from += READERS) {
      const read = await Promise.all(runs.slice(from, from + READERS).map((run) => keepRun(sources, run)));
      counts.runs += read.filter(Boolean).length;
      counts.failed += read.filter((each) => !each).length;
      heartbeat();
    }
  };

  for await (const page of runsSince(client, since)) {
    const known = await log.knownRuns(page.map(({ runId }) => runId));
    await collect(
      page.filter((run) => {
        const before = known.get(run.runId);
        return before === undefined || !(before.closed || before.waits || isUnchanged(run, before.seen));
      }),
    );
    if (Date.now() >= until) return { kept: true, ...counts, finished: false };
  }

  const open = await log.openRuns(begun, OPEN_RUNS);
  const seen = new Map(open.map((run) => [run.runId, run.seen]));
  for await (const page of runsById(client, [...seen.keys()])) {
    const [unchanged, changed] = [page.filter(stays), page.filter((run) => !stays(run))];
    await log.checked(idsOf(unchanged), []);
    await collect(changed);
    for (const { runId } of page) seen.delete(runId);
  }
  await log.checked([...seen.keys()], [...seen.keys()]);
  await log.forgetRuns(new Date(since.getTime() - LOOK_BACK_MS).toISOString());
  const finished = await log.move(SOURCE, { ...cursor, done: begun }, '[]');
  return { kept: true, ...counts, finished };

  function stays(run: FoundRun): boolean {
    return isUnchanged(run, seen.get(run.runId) ?? '');
  }
}

const idsOf = (runs: readonly FoundRun[]) => runs.map(({ runId }) => runId);

function isUnchanged({ closedAt, seen }: FoundRun, before: string): boolean {
  return closedAt === undefined && seen === before;
}

/**
 * Reads one run's history, and keeps what it tells.
 *
 * @returns whether it could be read and kept
 * @throws when the Temporal server or the operations database cannot be used
 */
async function keepRun({ client, log, masks, onWarning }: HistorySources, run: FoundRun): Promise<boolean> {
  const leave = async (what: string, error: unknown) => {
    await log.failRun(run);
    onWarning(`the history of ${run.gid} (run ${run.runId}) cannot be ${what}, and is tried again: ${String(error)}`);
    return false;
  };
  let rows: LogRow[];
  try {
    rows = await rowsOfRun(client, masks, run);
  } catch (error) {
    if (error instanceof ServerUnavailable || error instanceof ServerNotPrepared) throw error;
    return leave('read for the log', error);
  }
  try {
    await log.putRun(run, rows);
  } catch (error) {
    if (!isDataRefused(error)) throw error;
    return leave('kept in the log', error);
  }
  return true;
}

/** What a run's history tells beyond the guards' rows, as rows of the log; nothing of one that is not kept any more. */
export async function rowsOfRun(client: Client, masks: Masks, run: FoundRun): Promise<LogRow[]> {
  try {
    return (await readRun(client, run)).map((note) => rowOf(run, note, masks));
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return [];
    throw error;
  }
}

function rowOf({ gid, runId }: FoundRun, note: HistoryNote, masks: Masks): LogRow {
  const { item, op, outcome, final, beganAt, attempt = 0 } = note;
  const input =
    note.function === undefined ? maskedAnywhere(masks, note.input) : maskedInput(masks, note.function, note.input);
  return {
    gid,
    source: 'history',
    origin: runId,
    item,
    seq: note.seq ?? null,
    branch: note.branch ?? null,
    op,
    outcome,
    function: note.function ?? null,
    input: input ?? null,
    result: note.result ?? null,
    failure: note.failure ?? null,
    driver: `workflow:${runId}`,
    who: note.who ?? null,
    attempt: note.attempt ?? null,
    began_at: beganAt,
    ended_at: note.endedAt ?? null,
    final,
    // While it waits it has heard why the last attempt failed.
    version: String(attempt * 2 + (outcome === 'waiting' ? 1 : 0)),
  };
}
