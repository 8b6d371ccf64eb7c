import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { TransactionState } from '../workflow/branch.js';
import { isEnd, isGroupDriver, WORKFLOW_OWNER, type Fate, type Standing, type StartOrder } from '../workflow/fate.js';
import { startAdopting } from './adopt.js';
import {
  GidConflict,
  NotStarted,
  TransactionCompensated,
  TransactionFailed,
  TransactionPending,
  TransactionTerminated,
} from './errors.js';
import { outcomeOfFate, refuseConflict } from './fate.js';
import { awaitOutcome, awaitUndoOrOutcome } from './outcome.js';
import { atTime } from './race.js';
import { ask } from './server.js';

/** The lane in which the caller's process drives its transactions itself: `directLane` of `backstitch/direct` makes it. */
export interface DirectLane {
  /** Drives a transaction to its end, or to where somebody else has it. Never throws for what is wrong with a step. */
  drive(order: DirectOrder): Promise<Driven>;
  /** How a transaction stands in the database of this participant. */
  look(home: string, gid: string): Promise<Standing>;
  /**
   * Ends the lane: what is called from now on runs as a workflow. Resolves when no transaction is driven here any more.
   *
   * @param graceMs how long those that are under way may take; then workflows take them over. In milliseconds. Default: 2,000
   */
  close(graceMs?: number): Promise<void>;
}

/** A transaction to be driven. */
export interface DirectOrder {
  readonly gid: string;
  readonly start: StartOrder;
  readonly watcher?: DirectWatcher;
}

/** Who waits for a transaction in the direct lane. */
export interface DirectWatcher {
  /** Nobody waits for it any more: if it has not begun, it does not begin. */
  isGone(): boolean;
  /** Told when its turn has come: from here on it goes on, whoever waits. */
  begun(): void;
  /** Told when it goes on whatever becomes of this process. */
  announced(): void;
  /** Told when it is decided that it is undone. */
  undoing(): void;
}

/** How far a transaction was driven. */
export type Driven =
  | { readonly how: 'ended'; readonly fate: Fate }
  /** It is the workflow's to drive on, which is to be started: it finds all it needs in the database of `home`. */
  | { readonly how: 'handed-over'; readonly home: string; readonly announced: boolean; readonly why: Error }
  /** Somebody else has it; `announced`: though it was announced here. */
  | { readonly how: 'elsewhere'; readonly home: string; readonly announced: boolean; readonly fate?: Fate }
  /** Nothing was asked of anybody: it is not one for this process. */
  | { readonly how: 'not-begun'; readonly why: Error }
  /** Nothing was asked of anybody, as its turn has not come. */
  | { readonly how: 'no-turn'; readonly why: string };

/** Between two looks at a transaction that another process drives, in milliseconds: from the first to the longest. */
const LOOK_MS = { first: 10, longest: 500 } as const;

/** What a group has not ended by then a workflow takes over from it, in milliseconds. */
const GROUP_MS = 5_000;

/** So many others in a row may have it, and leave nothing of it. */
const LEFT_NOTHING = 5;

/** One transaction in the direct lane, as its caller sees it. */
export interface DirectCall {
  readonly client: Client;
  readonly lane: DirectLane;
  readonly order: Omit<DirectOrder, 'watcher'>;
  /** When the caller has waited long enough, in milliseconds since 1970. */
  readonly until: number;
  /** Whether the caller is to hear that it will be undone as soon as that is decided. */
  readonly undo: 'wait' | 'background' | undefined;
  /** Runs it as a workflow from its beginning. */
  readonly asWorkflow: () => Promise<unknown>;
  /** Told when it goes on whatever becomes of this process, or has ended. */
  readonly onStarted?: () => void;
}

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

/** Waits for a transaction, for no longer than its caller wants to. */
class Waiter implements DirectWatcher {
  readonly #call: DirectCall;
  readonly #reject: (why: Error) => void;
  readonly #timer: NodeJS.Timeout;
  #isGone = false;
  #hasBegun = false;
  #state: TransactionState = 'running';

  constructor(call: DirectCall, reject: (why: Error) => void) {
    this.#call = call;
    this.#reject = reject;
    const over = () => {
      this.#over();
    };
    this.#timer = atTime(call.until, over);
  }

  #over(): void {
    this.#isGone = true;
    const { gid } = this.#call.order;
    const why = 'it still waited for its turn in this process when its time was over';
    this.#reject(this.#hasBegun ? this.pending() : new NotStarted(gid, why));
  }

  pending(cause?: unknown): TransactionPending {
    const { gid, start } = this.#call.order;
    return new TransactionPending({ gid, state: this.#state, taskQueue: start.taskQueue, cause });
  }

  isGone(): boolean {
    return this.#isGone;
  }

  begun(): void {
    this.#hasBegun = true;
  }

  announced(): void {
    this.#call.onStarted?.();
  }

  undoing(): void {
    this.#state = 'compensating';
    if (this.#call.undo === 'background') this.#reject(this.pending());
  }

  end(): void {
    clearTimeout(this.#timer);
  }
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
        waiter.begun();
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
    // What was announced here can have gone only with its fate, or undone.
    if (announced && driver === undefined) throw waiter.pending(new TypeError(otherDatabase(home)));
    if (rejected && driver?.startsWith('direct:')) {
      throw new GidConflict(gid, 'with other content, and refused at its first step');
    }
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
  try {
    while (!(await ask(client, () => startAdopting(client, gid, start, { home }, () => lane.look(home, gid))))) {
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
    if (announced && !isOutcome(error)) throw waiter.pending(error);
    throw error;
  }
}

/** Whether an error tells how a transaction stands, and not what is the matter with asking. */
export function isOutcome(error: unknown): boolean {
  return [TransactionCompensated, TransactionFailed, TransactionPending, TransactionTerminated].some(
    (kind) => error instanceof kind,
  );
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
