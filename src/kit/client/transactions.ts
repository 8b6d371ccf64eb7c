import type { Client } from '@temporalio/client';
import type { Duration } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import type { Scheme } from '../workflow/branch.js';
import { beyondServer } from '../workflow/carried.js';
import type { Lane, SagaOptions } from '../workflow/saga/definition.js';
import { startAdopting } from './adopt.js';
import { AsWorkflow, type Order } from './as-workflow.js';
import { callDirect, isOutcome } from './direct.js';
import type { DirectLane } from './direct-lane.js';
import { GidConflict, TransactionPending } from './errors.js';
import { outcomeOfFate } from './fate.js';
import { Groups, type GroupOptions } from './group.js';
import { hashOf, InvalidInput } from './input.js';
import { awaitOutcome, awaitUndoOrOutcome } from './outcome.js';
import { ask } from './server.js';
import { orPending } from './within.js';

declare const result: unique symbol;

/** What the callers of a transaction and its workflow agree on. */
export interface TransactionContract<Given, Input, Result> {
  /** The name of the workflow. */
  readonly workflow: string;
  readonly scheme: Scheme;
  /** Checks what a caller gave; `parserOf` makes one from a schema. @throws {@link InvalidInput} */
  parse(given: Given): Input;
  /** The global transaction's id, from the caller's own business id: the same order is the same transaction. */
  gid(input: Input): string;
  /** One line for the Web UI. */
  summary(input: Input): string;
  /** Markdown for the Web UI. */
  details?(input: Input): string;
  readonly [result]?: Result;
}

/** How long to wait for an outcome. */
export interface WaitOptions {
  /** After that the caller gets {@link TransactionPending}, and the transaction goes on. Default: 1 hour. */
  readonly wait?: Duration;
}

/** Options of starting; they override the transaction's own for this call, and mean nothing to a duplicate. */
export interface StartOptions extends Pick<
  SagaOptions,
  'deadline' | 'retries' | 'compensationWindow' | 'forwardWindow'
> {
  /**
   * Who drives it. `direct`: this process, which needs {@link TransactionClientOptions.direct}. `grouped`: a workflow that
   * it shares with other calls of these options.
   */
  readonly lane?: Lane | 'direct' | 'grouped';
}

/** Options of a call that waits for the outcome. */
export interface CallOptions extends StartOptions, WaitOptions {
  /**
   * - `wait`: the caller gets its answer when the transaction has ended; the default.
   * - `background`: when it is decided that it will be undone, the caller gets {@link TransactionPending} at once, and
   *   the undo runs on.
   */
  readonly undo?: 'wait' | 'background';
}

/** A transaction that runs, or ran. */
export interface StartedTransaction<Result> {
  readonly gid: string;
  /** Absent in the lanes `direct` and `grouped`, where no workflow of its own drives it. */
  readonly runId?: string;
  /** Whether it had been started before, with the same input: this is that one. Not known in those lanes. */
  readonly duplicate: boolean;
  /** Waits for its outcome; the same errors as the call. */
  result(options?: WaitOptions): Promise<Result>;
}

/**
 * A transaction as a typed function: starts it, and resolves to its result when it is committed. A gid runs once: a
 * second caller with the same input gets the outcome of the first, whether that still runs or has ended.
 *
 * @throws InvalidInput, GidConflict, ServerNotPrepared, NotStarted: nothing was started
 * @throws TransactionCompensated: it was undone, no effect is left
 * @throws TransactionFailed: something was neither completed nor undone; the report names it
 * @throws TransactionPending: it has not ended yet, and goes on
 * @throws ResultNotKept: it was committed before, and its result could not be stored
 * @throws TransactionTerminated: an operator ended its run
 * @throws ServerUnavailable: whether it was started is not known; calling again with the same input is safe
 */
export interface Transaction<Given, Result> {
  (given: Given, options?: CallOptions): Promise<Result>;
  /** Starts it and does not wait. The same errors, as far as they can be known then. */
  start(given: Given, options?: StartOptions): Promise<StartedTransaction<Result>>;
}

/** Options of {@link transactionClient}. */
export interface TransactionClientOptions {
  /** The task queue that the workers of these transactions serve. */
  readonly taskQueue: string;
  /** Starts on a worker in this process; only with a client made from the worker's own `NativeConnection`. */
  readonly eagerStart?: boolean;
  /** What drives transactions in this process, for the lane `direct`. */
  readonly direct?: DirectLane;
  /** How calls in the lane `grouped` are gathered. */
  readonly groups?: GroupOptions;
}

const DEFAULT_WAIT: Duration = '1 hour';

/** When a wait that begins now is over, in milliseconds since 1970. */
function untilOf({ wait = DEFAULT_WAIT }: WaitOptions = {}): number {
  return Date.now() + msToNumber(wait);
}

/**
 * Makes contracts into typed functions that run transactions through a Temporal client.
 *
 * @example
 * ```ts
 * const transactions = transactionClient(client, { taskQueue: 'backstitch' });
 * const placeOrder = transactions.of(placeOrderTransaction);
 * const { paymentId } = await placeOrder({ orderId: '1', customerId: '7', units: 2, amount: 2933 });
 * ```
 */
export function transactionClient(client: Client, options: TransactionClientOptions) {
  const { taskQueue, eagerStart } = options;
  const groups = new Groups({ client, taskQueue, eagerStart }, options.groups);
  return {
    of: <Given, Input, Result>(contract: TransactionContract<Given, Input, Result>): Transaction<Given, Result> =>
      transactionOf(client, options, groups, contract),
  };
}

function transactionOf<Given, Input, Result>(
  client: Client,
  { taskQueue, eagerStart, direct }: TransactionClientOptions,
  groups: Groups,
  contract: TransactionContract<Given, Input, Result>,
): Transaction<Given, Result> {
  const workflow = new AsWorkflow(client, eagerStart);

  /** What a call is about. It is made once: neither a parser nor a caller that changes what it gave makes another one of it. */
  const orderOf = (given: Given, options: StartOptions): Order => {
    refuseLane(contract.scheme, options);
    const input = contract.parse(given);
    const start = {
      transaction: contract.workflow,
      scheme: contract.scheme,
      taskQueue,
      input,
      overrides: overridesOf(options),
      inputHash: hashOf(input),
      summary: contract.summary(input),
      details: contract.details?.(input),
    };
    return { gid: contract.gid(input), start };
  };

  const inProcess = (order: Order, undo: Undo, until: number, onStarted?: () => void): Promise<Result> => {
    if (direct === undefined) {
      throw new TypeError("lane 'direct' needs a process that drives: give transactionClient the option 'direct'");
    }
    // What is changed in the input from here on is not the transaction's.
    const kept = { gid: order.gid, start: { ...order.start, input: asJson(order.start.input) } };
    return callDirect({
      ...{ client, lane: direct, order: kept, undo, until, onStarted },
      asWorkflow: () => workflow.run(kept, undo, until, onStarted),
    }) as Promise<Result>;
  };

  /** Resolves once it goes on whatever becomes of this process, or has ended. */
  const startInProcess = async (order: Order): Promise<StartedTransaction<Result>> => {
    const { gid } = order;
    let ended!: Promise<Result>;
    await new Promise<void>((resolve, reject) => {
      ended = inProcess(order, 'wait', untilOf(), resolve);
      ended.then(
        () => {
          resolve();
        },
        (error: unknown) => {
          // How it has ended the result tells.
          if (isOutcome(error)) resolve();
          else reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
    return {
      gid,
      duplicate: false,
      result: (waiting) => orPending(client, { gid, taskQueue }, ended, untilOf(waiting)),
    };
  };

  /** Which lane it takes: what may not join a group runs as a workflow from its beginning. */
  const laneOf = ({ gid, start }: Order, { lane }: StartOptions): StartOptions['lane'] => {
    if (lane !== 'grouped' || beyondServer(gid, start, JSON.stringify(start)) === undefined) return lane;
    return undefined;
  };

  /** Joins the next group. `result` waits for the outcome. */
  const joinGroup = (order: Order, undo: Undo) => {
    const { gid, start } = order;
    const { input, overrides, inputHash, summary, details } = start;
    const joined = groups.join(contract.workflow, overrides, { gid, input, inputHash, summary, details });
    const result = async (until: number): Promise<Result> => {
      await joined.started(until);
      const outcome = await orPending(client, { gid, taskQueue }, joined.outcome, until);
      switch (outcome.how) {
        case 'ended':
          return outcomeOfFate(gid, outcome.fate) as Result;
        case 'conflict':
          throw new GidConflict(gid, 'with other content');
        case 'left': {
          const { home, open } = outcome;
          // Its workflow was started; unless what has its id is of a rival that ended with nothing done.
          if (home !== undefined) await ask(client, () => startAdopting(client, gid, start, { home }));
          const run = await workflow.start(order).catch((error: unknown) => {
            if (open !== true || !(error instanceof GidConflict)) throw error;
            // What was begun goes on: a relay starts it once that has ended.
            throw new TransactionPending({ gid, state: 'running', taskQueue, cause: error });
          });
          return undo === 'background' ? awaitUndoOrOutcome(client, run, until) : awaitOutcome(client, run, until);
        }
      }
    };
    return { started: (until: number) => joined.started(until), result };
  };

  const start = async (given: Given, options: StartOptions = {}): Promise<StartedTransaction<Result>> => {
    const order = orderOf(given, options);
    const { gid } = order;
    const lane = laneOf(order, options);
    if (lane === 'grouped') {
      const { started, result } = joinGroup(order, 'wait');
      await started(untilOf());
      return { gid, duplicate: false, result: (waiting) => result(untilOf(waiting)) };
    }
    if (lane === 'direct') return startInProcess(order);
    const run = await workflow.start(order);
    const result = (waiting?: WaitOptions) => awaitOutcome<Result>(client, run, untilOf(waiting));
    return { gid, runId: run.runId, duplicate: run.duplicate, result };
  };

  const call = async (given: Given, { undo = 'wait', wait, ...options }: CallOptions = {}): Promise<Result> => {
    const until = untilOf({ wait });
    const order = orderOf(given, options);
    const lane = laneOf(order, options);
    if (lane === 'direct') return inProcess(order, undo, until);
    if (lane === 'grouped') return joinGroup(order, undo).result(until);
    return workflow.run(order, undo, until);
  };
  return Object.assign(call, { start });
}

type Undo = NonNullable<CallOptions['undo']>;

/** The lanes of what is no saga. */
const LANES: Partial<Record<Scheme, readonly string[]>> = {
  tcc: ['durable', 'lean'],
  '2pc': ['durable'],
  '3pc': ['durable'],
  message: ['durable'],
};

/** @throws InvalidInput for a lane that the scheme has not: nothing is started */
function refuseLane(scheme: Scheme, { lane = 'durable' }: StartOptions): void {
  const lanes = LANES[scheme];
  if (lanes === undefined || lanes.includes(lane)) return;
  const rule = `is no lane of scheme ${scheme}, which has ${lanes.join(' and ')}`;
  throw new InvalidInput([{ field: 'lane', value: lane, rule }]);
}

/** What the workflow gets as its second argument; nothing when there is nothing to override. */
function overridesOf({
  lane,
  deadline,
  retries,
  compensationWindow,
  forwardWindow,
}: StartOptions): SagaOptions | undefined {
  const options = {
    lane: lane === 'direct' || lane === 'grouped' ? undefined : lane,
    deadline,
    retries,
    compensationWindow,
    forwardWindow,
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

/** A value as a workflow would get it. */
function asJson(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
