import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { HistoryNote } from '../../client/log/notes.js';
import { transactionFailure } from '../../workflow/failure.js';
import { readRun, runsById, runsWithDecisions, type FoundRun } from '../../client/log/runs.js';
import type { CompensationLog, SettledRow } from '../../database/log/store.js';
import { decisionsHere, DRIVER, type StepsBy } from '../../database/reconcile/decisions.js';
import type { Database } from '../../database/sql.js';
import type { DeskAction } from '../../workflow/desk.js';
import { within } from '../../database/within.js';
import { eachInTime, READ_MS } from '../limited.js';

/**
 * What persons have settled about the transactions of a key: nothing that a program gives back then is its to give. Rows do not say so: a
 * payment that the bank has given back by hand, and one that a person has left as it is, look like one that was forgotten.
 *
 * It is looked for in all runs that the server knows of them, in the messages that were discarded, and in the compensation log. Guards and
 * server forget, each in its own time. So where a step was made by a run that neither server nor log have to its end, and where nobody has
 * kept a step of the key's first transaction, a decision may be what was forgotten: that is a guess, and a person's to judge.
 */

/** Why a repair is not a program's to do. */
export interface Decided {
  readonly why: string;
  /** Nobody is known to have decided anything, but what would tell is not kept any more. */
  readonly isGuess?: true;
  /** What would tell cannot be asked now. */
  readonly isUnread?: true;
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
  readonly log?: Pick<CompensationLog, 'settled'>;
}

/** @param gids the key's transactions, the first before all others. @param sends the repair is a message under its own id: it needs no step */
export async function decidedAbout(
  { client, databases, log }: DecidedIn,
  gids: readonly string[],
  { sends = false }: { readonly sends?: boolean } = {},
): Promise<Decided | undefined> {
  const [first] = gids;
  // No transaction has it, and so nobody has decided about one.
  if (first === undefined) return undefined;
  const runs = await within(READ_MS, runsWithDecisions(client, gids), 'the server');
  if (runs.length > MOST_RUNS) return { why: `${runs.length} runs of it were at the desk, or undone` };
  const lost: Lost[] = [];
  for (const run of runs) {
    const found = await settledIn(client, run);
    if (found === 'lost') lost.push(run);
    else if (found !== undefined) return found;
  }
  const here = await Promise.all(databases.map((database) => decisionsHere(database, gids)));
  const [discarded] = here.flatMap((each) => each.discarded);
  if (discarded !== undefined) {
    const { id, actor, reason } = discarded;
    return { why: `${actor} has discarded the message ${id}: ${reason}` };
  }

  const logged = await fromLog(log, gids);
  if (logged === 'unread') return { why: UNREAD, isGuess: true, isUnread: true };
  const settled = settledBy(logged);
  if (settled !== undefined) return settled;

  const steps = [...here.flatMap((each) => each.steps), ...logged.flatMap(stepOf)];
  const known = [...runs, ...steps].some(({ gid }) => gid === first || gid.startsWith(`${first}.`));
  if (!known && !sends) return guessOf(first);
  lost.push(...(await notKept(client, steps)));
  // To its end: nothing of it is missing.
  const ended = new Set(logged.flatMap(({ origin, op, final }) => (op === 'end' && final ? [origin] : [])));
  const unknown = lost.find(({ runId }) => !ended.has(runId));
  return unknown && guessOf(unknown.gid);
}

/** Whether a person has left a finding as it is, by the log: its case, of which the server knows nothing any more. */
export async function leftInLog(log: DecidedIn['log'], id: string): Promise<boolean | 'unread'> {
  const logged = await fromLog(log, [id]);
  if (logged === 'unread') return logged;
  const own = logged.filter(({ gid }) => gid === id);
  const end = own.findLast(({ op }) => op === 'end');
  if (end !== undefined) return end.outcome === 'failed';
  // It was read while it was about to end.
  return own.some(({ op, outcome, input }) => op === 'decide' && outcome === 'done' && actionOf(input) === 'skip');
}

export const UNREAD = 'the compensation log cannot be asked now: it may know that a person has decided about it';

/** A run of which the server keeps nothing. */
interface Lost {
  readonly gid: string;
  readonly runId: string;
}

const guessOf = (gid: string): Decided => ({
  why: `whether a person has decided about ${gid} is not known: its history is not kept any more`,
  isGuess: true,
});

/** What the log has kept of transactions and their sagas; nothing, where there is none. */
async function fromLog(log: DecidedIn['log'], gids: readonly string[]): Promise<readonly SettledRow[] | 'unread'> {
  if (log === undefined) return [];
  try {
    return await within(READ_MS, log.settled(gids), 'the operations database');
  } catch {
    return 'unread';
  }
}

function settledBy(logged: readonly SettledRow[]): Decided | undefined {
  for (const { who, ...row } of logged) {
    const decided = decidedBy({ ...row, who: who ?? undefined }, row.gid);
    if (decided !== undefined) return decided;
  }
  const failed = logged.find(({ op, outcome, failure }) => op === 'end' && outcome === 'failed' && !wasUndone(failure));
  return failed && leftBy(failed.gid);
}

/** A machine that never began, as what makes its row was undone: nobody has left anything. */
function wasUndone(failure: unknown): boolean {
  return (failure as { type?: unknown } | null)?.type === transactionFailure.compensated;
}

function stepOf({ gid, op, driver }: SettledRow): StepsBy[] {
  if (op !== 'step') return [];
  return [{ gid, runId: driver?.startsWith(DRIVER) ? driver.slice(DRIVER.length) : null }];
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
  const action = actionOf(input);
  if (op !== 'decide' || outcome === 'failed' || !SETTLES.includes(action)) return undefined;
  const { reason } = (input ?? {}) as { reason?: unknown };
  return {
    why: `${who ?? 'a person'} has decided '${String(action)}' of '${branch ?? ''}' in ${gid}: ${String(reason)}`,
  };
}

function actionOf(input: unknown): unknown {
  return ((input ?? {}) as { action?: unknown }).action;
}

type Noted = Pick<HistoryNote, 'op' | 'outcome' | 'input' | 'who'> & { readonly branch?: string | null };

/** Those whose run the server has no more; by whichever workflow's id, as a group makes steps of many transactions. */
async function notKept(client: Client, steps: readonly StepsBy[]): Promise<Lost[]> {
  const byRun = new Map<string, Lost>();
  for (const { gid, runId } of steps) if (runId !== null) byRun.set(runId, { gid, runId });
  for await (const page of eachInTime(runsById(client, [...byRun.keys()])))
    for (const { runId } of page) byRun.delete(runId);
  return [...byRun.values()];
}
