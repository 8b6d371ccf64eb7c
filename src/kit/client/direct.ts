import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { isEnd, isGroupDriver, WORKFLOW_OWNER, type Fate, type Standing, type StartOrder } from '../workflow/fate.js';
import type { SagaOptions } from '../workflow/saga/definition.js';
import { startAdopting } from './adopt.js';
import { GidConflict, ServerUnavailable, TransactionPending } from './errors.js';
import { outcomeOfFate, refuseConflict } from './fate.js';
import { awaitOutcome } from './outcome.js';
import { ask } from './server.js';

/** The lane in which the caller's process drives its transactions itself: `directLane` of `backstitch/direct` makes it. */
export interface DirectLane {
  /** Drives a transaction to its end, or to where somebody else has it. Never throws for what is wrong with a step. */
  drive(order: DirectOrder): Promise<Driven>;
  /** How a transaction stands in the database of this participant. */
  look(home: string, gid: string): Promise<Standing>;
}

/** A transaction to be driven. */
export interface DirectOrder {
  readonly gid: string;
  readonly start: StartOrder;
  /** Options of this call. */
  readonly overrides?: SagaOptions;
  /** Told when it is decided that it is undone. */
  readonly onUndoing?: () => void;
}

/** How far a transaction was driven. */
export type Driven =
  | { readonly how: 'ended'; readonly fate: Fate }
  /** It is the workflow's to drive on, which is to be started: it finds all it needs in the database of `home`. */
  | { readonly how: 'handed-over'; readonly home: string; readonly announced: boolean; readonly why: Error }
  /** Somebody else has it. */
  | { readonly how: 'elsewhere'; readonly home: string; readonly fate?: Fate }
  /** Nothing was asked of anybody: its first step is not one for this process. */
  | { readonly how: 'not-begun'; readonly why: Error };

/** Between two looks at a transaction that another process drives, in milliseconds: from the first to the longest. */
const LOOK_MS = { first: 10, longest: 500 } as const;

/** What a group has not ended by then a workflow takes over from it, in milliseconds. */
const GROUP_MS = 5_000;

/** One transaction in the direct lane, as its caller sees it. */
export interface DirectCall {
  readonly client: Client;
  readonly lane: DirectLane;
  readonly order: DirectOrder;
  /** When the caller has waited long enough, in milliseconds since 1970. */
  readonly until: number;
  /** Runs it as a workflow from its beginning. */
  readonly asWorkflow: () => Promise<unknown>;
}

/**
 * Runs a transaction in the direct lane, and follows it wherever it goes. The same errors as in every other lane.
 */
export async function callDirect(call: DirectCall): Promise<unknown> {
  const { client, lane, order, until, asWorkflow } = call;
  const { gid, start } = order;
  for (;;) {
    const driven = await lane.drive(order);
    switch (driven.how) {
      case 'ended':
        return outcomeOfFate(gid, driven.fate);
      case 'not-begun':
        return asWorkflow();
      case 'handed-over':
        return followWorkflow(call, driven);
      case 'elsewhere': {
        const standing = driven.fate === undefined ? await follow(lane, order, driven.home, until) : driven;
        if (standing === undefined) continue; // Whoever had it has rolled back.
        const { fate } = standing;
        if (fate !== undefined) {
          refuseConflict(gid, start, fate);
          if (isEnd(fate)) return outcomeOfFate(gid, fate);
        } else if ('driver' in standing && standing.announced === undefined) {
          // It was a workflow from its beginning.
          await refuseOther(client, gid, start);
          return awaitOutcome(client, { gid, taskQueue: start.taskQueue }, until);
        }
        return followWorkflow(call, { home: driven.home, announced: true });
      }
    }
  }
}

/** Starts the workflow that has the transaction now, if nobody has yet, and waits for its outcome. */
async function followWorkflow(
  { client, lane, order, until }: DirectCall,
  { home, announced }: { home: string; announced: boolean },
): Promise<unknown> {
  const { gid, start } = order;
  const { taskQueue } = start;
  try {
    while (!(await ask(client, () => startAdopting(client, gid, start, { home }, () => lane.look(home, gid))))) {
      try {
        await refuseOther(client, gid, start);
        break;
      } catch (error) {
        // A workflow with another input is about to hear that the gid is this one's.
        if (!(error instanceof GidConflict) || !announced || Date.now() > until) throw error;
        await sleep(LOOK_MS.longest);
      }
    }
  } catch (error) {
    if (!(error instanceof ServerUnavailable) || !announced) throw error;
    // A relay starts it as soon as the server is there.
    throw new TransactionPending({ gid, state: 'running', taskQueue });
  }
  return awaitOutcome(client, { gid, taskQueue }, until);
}

/** Waits while another process, or a group, drives the transaction. @returns nothing, if there is none */
async function follow(
  lane: DirectLane,
  { gid, start }: DirectOrder,
  home: string,
  until: number,
): Promise<Standing | undefined> {
  const groupUntil = Date.now() + GROUP_MS;
  for (let pause: number = LOOK_MS.first; ; pause = Math.min(pause * 2, LOOK_MS.longest)) {
    const standing = await lane.look(home, gid).catch((error: unknown) => {
      if (error instanceof TypeError) throw error; // This process is not set up for it.
      return undefined; // The database may be there again at the next look.
    });
    const { announced, fate, driver } = standing ?? {};
    if (standing !== undefined) {
      if ((fate !== undefined && isEnd(fate)) || announced?.owner === WORKFLOW_OWNER) return standing;
      const inGroup = fate !== undefined && driver !== undefined && isGroupDriver(driver);
      if (inGroup && Date.now() > groupUntil) return standing;
      if (announced === undefined && !inGroup) return driver === undefined ? undefined : standing;
    }
    if (Date.now() + pause > until) {
      const state = (announced ?? fate)?.state === 'undoing' ? 'compensating' : 'running';
      throw new TransactionPending({ gid, state, taskQueue: start.taskQueue });
    }
    await sleep(pause);
  }
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
