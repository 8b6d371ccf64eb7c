import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { readRun, runsById, runsWithDecisions, type FoundRun } from '../../client/log/runs.js';
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
 * workflow's whose history is not kept any more, any decision may have followed it.
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

export async function decidedAbout(
  client: Client,
  databases: readonly Pick<Database, 'run'>[],
  gids: readonly string[],
): Promise<Decided | undefined> {
  const runs = await within(READ_MS, runsWithDecisions(client, gids), 'the server');
  if (runs.length > MOST_RUNS) return { why: `${runs.length} runs of it were at the desk, or undone` };
  let guess: Decided | undefined;
  for (const run of runs) {
    const found = await settledIn(client, run);
    if (found !== undefined && found.isGuess === undefined) return found;
    guess ??= found;
  }
  const here = await Promise.all(databases.map((database) => decisionsHere(database, gids)));
  const [discarded] = here.flatMap((each) => each.discarded);
  if (discarded !== undefined) {
    const { id, actor, reason } = discarded;
    return { why: `${actor} has discarded the message ${id}: ${reason}` };
  }
  if (guess !== undefined) return guess;
  const [newest] = here.flatMap((each) => each.steps).toSorted((one, other) => other.at - one.at);
  if (newest === undefined || newest.runId === null) return undefined;
  return (await isKept(client, newest.runId)) ? undefined : gone(newest.gid);
}

async function settledIn(client: Client, run: FoundRun): Promise<Decided | undefined> {
  const { gid, state } = run;
  const left = state === 'failed' ? { why: `${gid} has ended, and something of it was left as it is` } : undefined;
  try {
    for (const { op, outcome, input, who, branch } of await within(READ_MS, readRun(client, run), 'the server')) {
      const { action, reason } = (input ?? {}) as { action?: unknown; reason?: unknown };
      if (op !== 'decide' || outcome === 'failed' || !SETTLES.includes(action)) continue;
      return {
        why: `${who ?? 'a person'} has decided '${String(action)}' of '${branch ?? ''}' in ${gid}: ${String(reason)}`,
      };
    }
    return left;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return left ?? gone(gid);
    throw error;
  }
}

const gone = (gid: string): Decided => ({
  why: `whether a person has decided about ${gid} is not known: its history is not kept any more`,
  isGuess: true,
});

/** By whichever workflow's id: a group makes steps of many transactions. */
async function isKept(client: Client, runId: string): Promise<boolean> {
  for await (const page of eachInTime(runsById(client, [runId]))) if (page.length > 0) return true;
  return false;
}
