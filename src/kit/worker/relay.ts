import { setMaxListeners } from 'node:events';
import { type Client, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { ENDED, startAdopting } from '../client/adopt.js';
import { reasonOf, ServerUnavailable } from '../client/errors.js';
import { ANSWER_MS, explained } from '../client/server.js';
import { announcementsOf, type Announcements, type TakenOver } from '../database/announcement/announcements.js';
import type { TransactionReport } from '../workflow/failure.js';
import { GID_CONFLICT, WORKFLOW_OWNER, type Fate, type StartOrder } from '../workflow/fate.js';
import type { ParticipantDatabases } from './adopt.js';
import { distinctOf } from './read-all.js';

/** Options of {@link startRelay}. */
export interface RelayOptions {
  /** A client of the namespace in which the transactions' workflows run. */
  readonly client: Client;
  /** The databases in which transactions are announced, by their participants. */
  readonly databases: ParticipantDatabases;
  /** Between two looks at each database, in milliseconds. Default: 1,000 */
  readonly intervalMs?: number;
  /** Told in one line when a database or the server cannot be used, and when it can again. */
  readonly onWarning?: (line: string) => void;
}

/** A relay that runs. */
export interface Relay {
  /** Ends it; what it has begun is finished. */
  stop(): Promise<void>;
}

/** One transaction cannot go on. */
class CannotGoOn extends Error {}

/** Transactions that are taken over at a time. */
const BATCH = 50;

/**
 * Looks, for as long as it runs, for transactions whose drivers are silent: takes each over and starts its workflow. Any
 * number of relays may run; each transaction is taken over by one of them at a time, and started once.
 *
 * What a workflow has taken over stays announced until its end is written. Should that not have happened when the workflow
 * ended, the relay does it.
 */
export function startRelay({
  client,
  databases,
  intervalMs = 1_000,
  onWarning = () => undefined,
}: RelayOptions): Relay {
  const over = new AbortController();
  // One listener for each database, however many there are.
  setMaxListeners(0, over.signal);
  const loops = [...distinctOf(databases)].map(async ([home, database]) => {
    const announcements = announcementsOf(database);
    let failing: { readonly why: string; readonly isStart: boolean } | undefined;
    while (!over.signal.aborted) {
      try {
        const taken = await relay(client, home, announcements);
        // Where nothing was due nothing shows that what could not be started now can.
        if (failing !== undefined && (taken > 0 || !failing.isStart)) {
          onWarning(`transactions announced by '${home}' are taken over again`);
          failing = undefined;
        }
      } catch (error) {
        const why = reasonOf(error);
        if (failing?.why !== why) onWarning(`transactions announced by '${home}' cannot be taken over: ${why}`);
        failing = { why, isStart: error instanceof CannotGoOn || error instanceof ServerUnavailable };
      }
      await pause(intervalMs, over.signal);
    }
  });
  return {
    async stop() {
      over.abort();
      await Promise.all(loops);
    },
  };
}

/**
 * Takes over all that is due in one database.
 *
 * @returns how many
 * @throws the first error, when everything else was taken over: one transaction that cannot go on does not hold up the others.
 * At once, if the server cannot be reached
 */
async function relay(client: Client, home: string, announcements: Announcements): Promise<number> {
  let failed: Error | undefined;
  let taken: TakenOver[];
  let count = 0;
  do {
    taken = await announcements.takeOver(BATCH);
    count += taken.length;
    for (const each of taken) {
      try {
        await client.withDeadline(Date.now() + ANSWER_MS, () => goOn(client, home, announcements, each));
      } catch (error) {
        const why = explained(client, error);
        if (why instanceof ServerUnavailable) throw why;
        failed ??= new CannotGoOn(`${each.gid}: ${reasonOf(why)}`);
      }
    }
  } while (taken.length === BATCH);
  if (failed !== undefined) throw failed;
  return count;
}

/**
 * Lets a transaction that was taken over go on: starts its workflow or, if that has ended, writes its end.
 *
 * @returns whether its workflow was started now
 */
export async function goOn(
  client: Client,
  home: string,
  announcements: Announcements,
  { gid, start }: TakenOver,
): Promise<boolean> {
  const look = () => announcements.look(gid);
  if (start !== undefined && (await startAdopting(client, gid, start, { home }, look))) return true;
  const { announced } = await look();
  if (announced?.run === undefined) {
    await refuseOther(client, gid, start);
    return false;
  }
  const fate = await fateOfRun(client, gid, announced.run);
  const promoted = start?.promoted;
  if (fate === 'none') await announcements.giveUp(gid);
  else if (fate !== undefined) {
    await announcements.end(gid, WORKFLOW_OWNER, undefined, promoted === undefined ? fate : { ...fate, promoted });
  }
  return false;
}

/** @throws one line if what has the gid is another transaction: it goes on when that has ended */
async function refuseOther(client: Client, gid: string, start: StartOrder | undefined): Promise<void> {
  if (start === undefined) return;
  const { status, type, memo } = await client.workflow.getHandle(gid).describe();
  if (ENDED.includes(status.name)) return;
  const isOther = type !== start.transaction || (memo?.inputHash !== undefined && memo.inputHash !== start.inputHash);
  if (!isOther) return;
  const what = type === start.transaction ? `'${type}' with other content` : `'${type}'`;
  throw new Error(
    `it is announced as '${start.transaction}', and a workflow ${what} has its id: it waits for the end of that`,
  );
}

/** How the run that took a transaction over has ended, if it did by its own code; `none`: it gave the transaction up. */
async function fateOfRun(client: Client, gid: string, run: string): Promise<Fate | 'none' | undefined> {
  const handle = client.workflow.getHandle(gid, run);
  const { status, type: transaction, memo } = await handle.describe();
  if (!ENDED.includes(status.name)) return undefined;
  const inputHash = typeof memo?.inputHash === 'string' ? memo.inputHash : '';
  const from = { transaction, inputHash, lane: 'workflow' };
  try {
    return { ...from, state: 'committed', result: await handle.result() };
  } catch (error) {
    const cause = error instanceof WorkflowFailedError ? error.cause : undefined;
    if (!(cause instanceof ApplicationFailure)) throw error;
    if (cause.type === GID_CONFLICT) return 'none';
    const report = cause.details?.[0] as TransactionReport | undefined;
    // It ended before it was one: a scan or a person has to look at it.
    if (report === undefined) return undefined;
    const state = report.state === 'compensated' ? 'compensated' : 'failed';
    return { ...from, state, report, message: cause.message };
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
