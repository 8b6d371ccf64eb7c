import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { HistoryNote } from '../../client/log/notes.js';
import { readRun, runsById, runsWithDecisions, type FoundRun } from '../../client/log/runs.js';
import type { CompensationLog } from '../../database/log/store.js';
import { decisionsHere } from '../../database/reconcile/decisions.js';
import type { Database } from '../../database/sql.js';
import type { DeskAction } from '../../workflow/desk.js';
import { within } from '../../database/within.js';
import { eachInTime, READ_MS } from '../limited.js';

/**
 * What persons have settled about the transactions of a key: nothing that a program gives back then is its to give. Rows do not say so: a
 * payment that the bank has given back by hand, and one that a person has left as it is, look like one that was forgotten.
 *
 * It is looked for in all runs that the server knows of them, and in the messages that were discarded. Where the newest step of them is a
 * workflow's whose history is not kept any more, the compensation log may have kept it; else any decision may have followed that step.
 */

/** Why a repair is not a program's to do. */
export interface Decided {
  readonly why: string;
  /** Nobody is known to have decided anything, but what would tell is not kept any more. */
  readonly isGuess?: true;
}

/** By these a person takes a step off the hands of the program. */
const SETTLES: readonly unknown[] = ['resolve', 'skip'] satisfies DeskAction[];
/** Runs that are asked of one transaction: what has more was taken up again and again, and is a person's in any case. */
const MOST_RUNS = 50;

/** Where it is looked for. */
export interface DecidedIn {
  readonly client: Client;
  readonly databases: readonly Pick<Database, 'run'>[];
  /** What has kept what the server has not. Default: nothing */
  readonly log?: Pick<CompensationLog, 'entries'>;
}

export async function decidedAbout(
  { client, databases, log }: DecidedIn,
  gids: readonly string[],
): Promise<Decided | undefined> {
  const runs = await within(READ_MS, runsWithDecisions(client, gids), 'the server');
  if (runs.length > MOST_RUNS) return { why: `${runs.length} runs of it were at the desk, or undone` };
  let lost: Lost | undefined;
  for (const run of runs) {
    const found = await settledIn(client, run);
    if (found === 'lost') lost ??= run;
    else if (found !== undefined) return found;
  }
  const here = await Promise.all(databases.map((database) => decisionsHere(database, gids)));
  const [discarded] = here.flatMap((each) => each.discarded);
  if (discarded !== undefined) {
    const { id, actor, reason } = discarded;
    return { why: `${actor} has discarded the message ${id}: ${reason}` };
  }
  const [newest] = here.flatMap((each) => each.steps).toSorted((one, other) => other.at - one.at);
  if (lost === undefined && newest?.runId != null && !(await isKept(client, newest.runId)))
    lost = { gid: newest.gid, runId: newest.runId };
  return lost && fromLog(log, gids, lost);
}

/** A run of which the server keeps nothing. */
type Lost = Pick<FoundRun, 'gid' | 'runId'>;

/** What the log has kept of transactions of which the server keeps not all. */
async function fromLog(
  log: DecidedIn['log'],
  gids: readonly string[],
  { gid, runId }: Lost,
): Promise<Decided | undefined> {
  const guess = {
    why: `whether a person has decided about ${gid} is not known: its history is not kept any more`,
    isGuess: true,
  } as const;
  if (log === undefined) return guess;
  try {
    const asked = [...new Set([...gids, gid])].map((each) => log.entries(each));
    const rows = (await within(READ_MS, Promise.all(asked), 'the operations database')).flat();
    for (const { source, who, ...row } of rows) {
      const decided = source === 'history' ? decidedBy({ ...row, who: who ?? undefined }, row.gid) : undefined;
      if (decided !== undefined) return decided;
    }
    const failed = rows.find(({ op, outcome }) => op === 'end' && outcome === 'failed');
    if (failed !== undefined) return leftBy(failed.gid);
    // To its end: nothing of it is missing.
    return rows.some(({ origin, op, final }) => origin === runId && op === 'end' && final) ? undefined : guess;
  } catch {
    return guess;
  }
}

const leftBy = (gid: string): Decided => ({ why: `${gid} has ended, and something of it was left as it is` });

async function settledIn(client: Client, run: FoundRun): Promise<Decided | 'lost' | undefined> {
  const { gid, state } = run;
  const left = state === 'failed' ? leftBy(gid) : undefined;
  try {
    for (const note of await within(READ_MS, readRun(client, run), 'the server')) {
      const decided = decidedBy(note, gid);
      if (decided !== undefined) return decided;
    }
    return left;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return left ?? 'lost';
    throw error;
  }
}

/** What a person has decided by an entry of the log, or one that is to be, if it takes a step off the program's hands. */
function decidedBy(note: Noted, gid: string): Decided | undefined {
  const { op, outcome, input, who, branch } = note;
  const { action, reason } = (input ?? {}) as { action?: unknown; reason?: unknown };
  if (op !== 'decide' || outcome === 'failed' || !SETTLES.includes(action)) return undefined;
  return {
    why: `${who ?? 'a person'} has decided '${String(action)}' of '${branch ?? ''}' in ${gid}: ${String(reason)}`,
  };
}

type Noted = Pick<HistoryNote, 'op' | 'outcome' | 'input' | 'who'> & { readonly branch?: string | null };

/** By whichever workflow's id: a group makes steps of many transactions. */
async function isKept(client: Client, runId: string): Promise<boolean> {
  for await (const page of eachInTime(runsById(client, [runId]))) if (page.length > 0) return true;
  return false;
}
