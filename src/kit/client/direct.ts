import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { isEnd, isGroupDriver, WORKFLOW_OWNER, type Standing, type StartOrder } from '../workflow/fate.js';
import { startAdopting } from './adopt.js';
import type { DirectLane, DirectOrder } from './direct-lane.js';
import {
  GidConflict,
  NotStarted,
  ResultNotKept,
  TransactionCompensated,
  TransactionFailed,
  TransactionPending,
  TransactionTerminated,
} from './errors.js';
import { outcomeOfFate, refuseConflict } from './fate.js';
import { awaitOutcome, awaitUndoOrOutcome } from './outcome.js';
import { ask } from './server.js';
import { Waiter, type DirectCall } from './waiter.js';

/** Between two looks at a transaction that another process drives, in milliseconds: from the first to the longest. */
const LOOK_MS = { first: 10, longest: 500 } as const;

/** What a group has not ended by then a workflow takes over from it, in milliseconds. */
const GROUP_MS = 5_000;

/** So many others in a row may have it, and leave nothing of it. */
const LEFT_NOTHING = 5;

/**
 * Runs a transaction in the direct lane, and follows it wherever it goes. The same errors as in every other lane; once it
 * goes on by itself, and only its end cannot be heard, that is {@link TransactionPending}.
 */
export function callDirect(call: DirectCall): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const waiter = new Waiter(call, reject);
    drive(call, waiter).then(
      (outcome) => {
        waiter.end();
        resolve(outcome);
      },
      (error: unknown) => {
        waiter.end();
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}

async function drive(call: DirectCall, waiter: Waiter): Promise<unknown> {
  const { lane, asWorkflow } = call;
  const order: DirectOrder = { ...call.order, watcher: waiter };
  const { gid } = order;
  for (let turn = 1; ; turn++) {
    const driven = await lane.drive(order);
    switch (driven.how) {
      case 'ended':
        return outcomeOfFate(gid, driven.fate);
      case 'no-turn':
        throw new NotStarted(gid, driven.why);
      case 'not-begun':
        // Nothing was sent, and the workflow's own way heeds the caller's time.
        waiter.end();
        return asWorkflow();
      case 'handed-over':
        return followWorkflow(call, waiter, driven);
      case 'elsewhere': {
        const { announced, home, fate } = driven;
        const standing: Standing | undefined =
          fate === undefined ? await follow(lane, order, home, call.until, waiter) : { fate };
        if (standing === undefined) {
          // Whoever had it has rolled back; but not if it was here, nor always.
          if (announced || turn >= LEFT_NOTHING) throw waiter.pending(new TypeError(otherDatabase(home)));
          await sleep(LOOK_MS.first * 2 ** turn);
          continue;
        }
        return outcomeOfOther(call, waiter, driven, standing);
      }
    }
  }
}

/** The outcome of a transaction that another driver has, or has ended. */
async function outcomeOfOther(
  call: DirectCall,
  waiter: Waiter,
  { home, announced }: { readonly home: string; readonly announced: boolean },
  { fate, announced: now, rejected, driver }: Standing,
): Promise<unknown> {
  const { gid, start } = call.order;
  if (fate !== undefined) {
    refuseConflict(gid, start, fate);
    if (isEnd(fate)) return outcomeOfFate(gid, fate);
  } else if (now === undefined) {
    const byProcess = driver?.startsWith('direct:') === true;
    if (byProcess && rejected) throw new GidConflict(gid, 'with other content, and refused at its first step');
    // What a process has announced goes only with a fate, or is undone by a workflow that gives way to another one.
    const isLost = byProcess ? !(await hasRun(call.client, gid)) : announced && driver === undefined;
    if (isLost) throw waiter.pending(new TypeError(otherDatabase(home)));
    // It was a workflow from its beginning.
    await refuseOther(call.client, gid, start);
    return outcomeOfRun(call);
  }
  // What a workflow has put there before any first step had come may be another one's.
  const isOurs = announced || now?.of !== undefined || fate !== undefined;
  return followWorkflow(call, waiter, { home, announced: isOurs });
}

/** Starts the workflow that has the transaction now, if nobody has yet, and waits for its outcome. */
async function followWorkflow(
  call: DirectCall,
  waiter: Waiter,
  { home, announced }: { home: string; announced: boolean },
): Promise<unknown> {
  const { client, lane, order, until } = call;
  const { gid, start } = order;
  let wasOther = false;
  let follows = false;
  const look = () =>
    lane.look(home, gid).catch((error: unknown) => {
      if (error instanceof TypeError) throw error; // This process is not set up for it.
      // Whether its workflow is to be started cannot be told without the database.
      throw waiter.pending(error, announced);
    });
  try {
    while (!(await ask(client, () => startAdopting(client, gid, start, { home }, look)))) {
      try {
        await refuseOther(client, gid, start);
        break;
      } catch (error) {
        // Another transaction's workflow: it is waited for, and once it has ended another run is started.
        if (!(error instanceof GidConflict) || !announced || Date.now() > until) throw error;
        const runs = await isRunning(client, gid);
        if (!runs && wasOther) throw error;
        wasOther = !runs;
        if (runs) await sleep(LOOK_MS.longest);
      }
    }
    waiter.announced();
    follows = true;
    return await outcomeOfRun(call);
  } catch (error) {
    // Its workflow has met another transaction, and has undone this one.
    if (follows && error instanceof GidConflict) throw error;
    // It goes on: a relay starts its workflow as soon as that can be.
    if (announced && !isOutcome(error)) throw waiter.pending(error, true);
    throw error;
  }
}

/** Whether an error tells how a transaction stands, and not what is the matter with asking. */
export function isOutcome(error: unknown): boolean {
  const outcomes = [
    TransactionCompensated,
    TransactionFailed,
    ResultNotKept,
    TransactionPending,
    TransactionTerminated,
  ];
  return outcomes.some((kind) => error instanceof kind);
}

/** The outcome of the workflow that has the transaction. */
function outcomeOfRun({ client, order: { gid, start }, until, undo }: DirectCall): Promise<unknown> {
  const run = { gid, taskQueue: start.taskQueue };
  return undo === 'background' ? awaitUndoOrOutcome(client, run, until) : awaitOutcome(client, run, until);
}

/**
 * Waits while another process, or a group, drives the transaction.
 *
 * @returns nothing, if there is none
 * @throws {@link GidConflict} if it is another one
 */
async function follow(
  lane: DirectLane,
  { gid, start }: DirectOrder,
  home: string,
  until: number,
  waiter: Waiter,
): Promise<Standing | undefined> {
  const groupUntil = Date.now() + GROUP_MS;
  for (let pause: number = LOOK_MS.first; ; pause = Math.min(pause * 2, LOOK_MS.longest)) {
    const standing = await lane.look(home, gid).catch((error: unknown) => {
      if (error instanceof TypeError) throw error; // This process is not set up for it.
      return undefined; // The database may be there again at the next look.
    });
    const { announced, fate, driver } = standing ?? {};
    if (standing !== undefined) {
      if (announced?.of !== undefined) refuseConflict(gid, start, announced.of);
      if ((fate !== undefined && isEnd(fate)) || announced?.owner === WORKFLOW_OWNER) return standing;
      const inGroup = fate !== undefined && driver !== undefined && isGroupDriver(driver);
      if (inGroup && Date.now() > groupUntil) return standing;
      if (announced === undefined && !inGroup) return driver === undefined ? undefined : standing;
      waiter.announced();
    }
    if (waiter.isGone() || Date.now() + pause > until) {
      const state = (announced ?? fate)?.state === 'undoing' ? 'compensating' : 'running';
      throw new TransactionPending({ gid, state, taskQueue: start.taskQueue });
    }
    await sleep(pause);
  }
}

function otherDatabase(home: string): string {
  return `nothing of it is in the database that 'databases' of directLane has for '${home}': it must be the one that the guard of '${home}' writes to`;
}

async function hasRun(client: Client, gid: string): Promise<boolean> {
  try {
    await ask(client, () => client.workflow.getHandle(gid).describe());
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

async function isRunning(client: Client, gid: string): Promise<boolean> {
  const { status } = await ask(client, () => client.workflow.getHandle(gid).describe());
  return status.name === 'RUNNING';
}

/** @throws {@link GidConflict} if the gid's workflow is another transaction's */
async function refuseOther(client: Client, gid: string, { transaction, inputHash }: StartOrder): Promise<void> {
  try {
    const { type, memo } = await ask(client, () => client.workflow.getHandle(gid).describe());
    if (type !== transaction) throw new GidConflict(gid, `as a run of '${type}'`);
    if (memo?.inputHash !== undefined && memo.inputHash !== inputHash) throw new GidConflict(gid, 'with other content');
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) {
      throw new GidConflict(gid, 'long ago: its outcome is not kept any more');
    }
    throw error;
  }
}
