import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Client,
  isGrpcServiceError,
  QueryNotRegisteredError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { ApplicationFailure, type Duration } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import { initialAttributes } from '../workflow/attributes.js';
import type { DeadlineOf, EventOf } from '../workflow/state-machine/definition.js';
import {
  DEADLINE_UPDATE,
  EVENT_UPDATE,
  MACHINE_QUERY,
  machineFailure,
  WAKE_SIGNAL,
  type DeadlineNote,
  type DeadlineOrder,
  type EventAnswer,
  type EventOrder,
  type MachineResult,
  type MachineView,
  type Refusal,
} from '../workflow/state-machine/protocol.js';
import { failingTask } from './failing-task.js';
import { GidConflict, OrderRefused, TransactionNotFound, TransactionPending, WorkerSilent } from './errors.js';
import { hashOf } from './input.js';
import { EventRefused, IllegalTransition, MachineNotBegun, TransitionUndone } from './machine-errors.js';
import { isTooEarly, wasDropped } from './updates.js';
import { outcomeOf } from './outcome.js';
import { TimeIsOver } from './race.js';
import { ANSWER_MS, ask, explained, hasWorker, isOutOfTime, waitUntil } from './server.js';

/** What the callers of a machine and its workflow agree on. */
export interface MachineContract<Machine> {
  /** The name under which the workflow is exported. */
  readonly workflow: string;
  readonly machine: Machine;
}

/** Options of an event. */
export interface SendOptions extends Omit<EventOrder, 'event'> {
  /** After that the caller gets `TransactionPending`, and the transition goes on. Default: 2 minutes */
  readonly wait?: Duration;
}

/** A machine that was started, now or before. */
export interface StartedMachine {
  readonly id: string;
  readonly runId: string;
  /** Whether it had been started before: this is that one, or it has ended. */
  readonly duplicate: boolean;
}

/**
 * What callers do with the objects of a state machine. An object's id is its workflow's id, and its row's.
 *
 * Whatever is asked, the server and the worker can be silent: `ServerUnavailable`, `ServerNotPrepared`, `WorkerSilent`.
 */
export interface MachineClient<Machine, Data> {
  /**
   * Starts it, or uses what runs or has ended.
   *
   * @param data what guards and effects get
   * @throws GidConflict if another workflow has the id, or one that was started with other data
   */
  start(id: string, data: Data, options?: { readonly summary?: string }): Promise<StartedMachine>;
  /**
   * Sends an event, and resolves when it has happened.
   *
   * With a request id it is the same event however often it is sent, and is answered the same, also when it was undone. Without one a
   * repeated command is no second event: if the same one is under way it is waited for; if it was the last that happened, and is not legal
   * again, it is answered as it was then; else, where it is legal, it is a new one. (So an event that leads back to where it can happen
   * again needs a request id, if a command may be repeated.)
   *
   * @throws IllegalTransition, TransitionUndone, EventRefused: nothing has changed, but for `MovedNothing`
   * @throws TransactionPending: it goes on, or waits for what does; ask again with the same request id, or look
   * @throws TransactionNotFound: no such machine was started
   */
  send(id: string, event: EventOf<Machine>, options?: SendOptions): Promise<EventAnswer>;
  /**
   * Looks at it; one that has ended is read from its history.
   *
   * @param options.wait how long it may take. Default: 30 seconds
   * @throws TransactionNotFound
   */
  view(id: string, options?: { readonly wait?: Duration }): Promise<MachineView>;
  /**
   * Moves a deadline that runs. With a request id it is the same order however often it is sent, and is answered the same: whoever asks again
   * after `WorkerSilent`, and moves it by so much, needs one.
   *
   * @throws OrderRefused with what would fit; TransactionNotFound
   */
  moveDeadline(
    id: string,
    order: Omit<DeadlineOrder, 'name'> & { readonly name: DeadlineOf<Machine> },
  ): Promise<DeadlineNote>;
  /**
   * Has it continue as new as soon as nothing is under way: the next run goes by the newest table. {@link send} does so by itself where an
   * earlier table refuses an event.
   *
   * @throws TransactionNotFound
   */
  wake(id: string): Promise<void>;
  /**
   * Waits until it has ended.
   *
   * @throws TransactionPending if it has not by then (default: 1 hour); MachineNotBegun; of the saga that makes its row the errors of any transaction
   */
  result(id: string, options?: { readonly wait?: Duration }): Promise<MachineResult>;
}

/** Between two tries of what the server has dropped, in milliseconds. */
const AGAIN_MS = 50;
/** One look: where it waits for a worker that is lost, or for a run that has been ended since, the next one does not. In milliseconds. */
const TRY_MS = 15_000;
/** Between two tries of what a worker cannot answer, as it cannot replay the run: each try does so. */
const REPLAY_AGAIN_MS = 1_000;
/** Why none has answered is not looked for any longer, in milliseconds. */
const WHY_MS = 3_000;
const ENDED_FROM_OUTSIDE = 'its run was ended from outside: wait for the scan, which begins it anew';
/** How a run stands that was ended from outside. */
const FROM_OUTSIDE: readonly string[] = ['TERMINATED', 'TIMED_OUT', 'CANCELLED'];
/** How a machine's newest run stands that has not come to its end. */
const GOES_ON: readonly string[] = ['RUNNING', 'CONTINUED_AS_NEW', ...FROM_OUTSIDE];

/**
 * Makes what callers of a machine use, through a Temporal client.
 *
 * @example
 * ```ts
 * const claims = machineClient<typeof claim, Claim>(client, { taskQueue }, { workflow: 'claimLife', machine: claim });
 * await claims.start('claim-7', { customer: 'c-1' });
 * const { to } = await claims.send('claim-7', 'check', { requestId: 'check-1', by: { actor: 'ann' } });
 * ```
 */
export function machineClient<Machine, Data = unknown>(
  client: Client,
  { taskQueue }: { readonly taskQueue: string },
  { workflow, machine }: MachineContract<Machine>,
): MachineClient<Machine, Data> {
  const { namespace } = client.options;
  const { name } = machine as { name: string };
  const handleOf = (id: string) => client.workflow.getHandle(id);

  /** Makes an update, again as long as the server drops it: one that meets a change of runs belongs to the next run. */
  const update = async <Answer>(
    id: string,
    what: string,
    order: { readonly requestId?: string },
    until: number,
  ): Promise<Answer> => {
    const updateId = randomUUID();
    for (;;) {
      try {
        return await waitUntil(client, until, () =>
          handleOf(id).executeUpdate<Answer, [unknown]>(what, { args: [order], updateId }),
        );
      } catch (error) {
        // What was asked of a run that was ended from outside the next one answers, by the request id: without one it may be a second event.
        const again = wasDropped(error) || isBetweenRuns(error) || (wasCutOff(error) && order.requestId !== undefined);
        // A run that has ended is none that takes it; the next one has begun since, or the scan begins it if it was ended from outside.
        const goesOn = error instanceof WorkflowNotFoundError && (await isToGoOn(id, until));
        if (!(again || goesOn) || Date.now() >= until) throw error;
        // For a run that changes, or is begun anew by hand, not for long; the scan begins one anew within minutes.
        await sleep(goesOn ? REPLAY_AGAIN_MS : AGAIN_MS);
      }
    }
  };

  /** How its newest run stands; nothing, if that is not known. */
  const standingOf = async (id: string, until = Date.now() + ANSWER_MS): Promise<string> => {
    const ms = Math.min(ANSWER_MS, Math.max(until - Date.now(), AGAIN_MS));
    const found = await ask(client, () => handleOf(id).describe(), ms).catch(() => undefined);
    return found?.status.name ?? '';
  };

  /** Whether there will be another run: not known is no. */
  const isToGoOn = async (id: string, until?: number) => GOES_ON.includes(await standingOf(id, until));

  /** What an earlier table refuses, or a run that is about to end, the next run is asked. */
  const renewing = async <Answer>(id: string, until: number, call: () => Promise<Answer>): Promise<Answer> => {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        const { outdated, renewing: isRenewing } = refusalOf(error) ?? {};
        if ((outdated ?? isRenewing) !== true || Date.now() >= until) throw error;
        if (outdated === true) await handleOf(id).signal(WAKE_SIGNAL);
        await sleep(AGAIN_MS);
      }
    }
  };

  /** Why no worker answers for it, if it is not that none is there. @throws ServerUnavailable if it is the server that does not answer */
  const whySilent = async (id: string, misfit?: string): Promise<string | undefined> => {
    const run = await ask(client, () => handleOf(id).describe(), WHY_MS);
    const { name: status } = run.status;
    const failing = status === 'RUNNING' ? await ask(client, () => failingTask(client, run), WHY_MS) : undefined;
    const cause = misfit ?? failing?.cause;
    if (cause !== undefined) {
      const more = GOES_ON.includes(status) ? ', or wait for the scan, which begins it anew if it may' : '';
      return `its code fails (${cause}): take back a release that does not fit${more}`;
    }
    return FROM_OUTSIDE.includes(status) ? ENDED_FROM_OUTSIDE : undefined;
  };

  const pending = async (id: string, cause?: unknown) => {
    const noWorker = !(await hasWorker(client, taskQueue).catch(() => true));
    return new TransactionPending({ gid: id, state: 'running', taskQueue, noWorker, cause });
  };

  /** How an event is answered by a machine that has ended: as it remembers it, or that nothing is legal any more. */
  const answerOfEnded = async (id: string, { event, requestId }: EventOrder): Promise<EventAnswer> => {
    const { state, transitions } = await resultOf(id, Date.now() + ANSWER_MS);
    const before =
      requestId === undefined
        ? transitions.at(-1)
        : transitions.find((transition) => transition.requestId === requestId);
    if (before?.event === event) return before;
    throw new IllegalTransition(id, `${id}: '${event}' is illegal in ${state}; nothing is legal, as it is final`, {
      state,
    });
  };

  const resultOf = async (id: string, until: number): Promise<MachineResult> => {
    try {
      return (await waitUntil(client, until, () => handleOf(id).result())) as MachineResult;
    } catch (error) {
      if (error instanceof TimeIsOver) throw await pending(id);
      if (error instanceof WorkflowFailedError) {
        const why = outcomeOf(id, error);
        if (why !== error || !(error.cause instanceof ApplicationFailure)) throw why;
        throw new MachineNotBegun(id, error.cause.type ?? 'Error', error.cause.message);
      }
      if (error instanceof WorkflowNotFoundError) throw new TransactionNotFound(id, namespace);
      throw explained(client, error);
    }
  };

  return {
    async start(id, data, { summary } = {}) {
      const inputHash = data === undefined ? undefined : hashOf(data);
      try {
        const handle = await ask(client, () =>
          client.workflow.start(workflow, {
            ...{ workflowId: id, taskQueue, args: [{ data }] },
            // What was ended from outside the scan starts again, with what it knew.
            workflowIdReusePolicy: 'REJECT_DUPLICATE',
            staticSummary: summary ?? `${name} ${id}`,
            typedSearchAttributes: initialAttributes('machine'),
            ...(inputHash !== undefined && { memo: { inputHash } }),
          }),
        );
        return { id, runId: handle.firstExecutionRunId, duplicate: false };
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
        const { type, runId, memo } = await ask(client, () => handleOf(id).describe());
        if (type !== workflow) throw new GidConflict(id, `as a run of '${type}'`);
        // One of an earlier release, or that was started without any data, has no hash.
        const before = memo?.inputHash;
        if (before !== undefined && before !== inputHash) throw new GidConflict(id, 'with other content');
        return { id, runId, duplicate: true };
      }
    },

    async send(id, event, { wait = '2 minutes', ...rest } = {}) {
      const order: EventOrder = { event, ...rest };
      const until = Date.now() + msToNumber(wait);
      try {
        return await renewing(id, until, () => update<EventAnswer>(id, EVENT_UPDATE, order, until));
      } catch (error) {
        if (error instanceof TimeIsOver) throw await pending(id);
        if (error instanceof WorkflowNotFoundError) {
          if (await isToGoOn(id)) throw await pending(id, error);
          return answerOfEnded(id, order);
        }
        // Dropped until the time was over: that is no answer either.
        if (wasDropped(error) || isBetweenRuns(error) || wasCutOff(error)) throw await pending(id, error);
        const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
        if (!(cause instanceof ApplicationFailure)) throw explained(client, error);
        const { message } = cause;
        const type = cause.type ?? '';
        const refusal = refusalOf(error);
        if (type === machineFailure.illegal) throw new IllegalTransition(id, message, refusal);
        if (type === machineFailure.undone) throw new TransitionUndone(id, message, refusal);
        if (type === machineFailure.underWay) throw await pending(id, cause);
        throw new EventRefused(id, type, message);
      }
    },

    async view(id, { wait = ANSWER_MS } = {}) {
      const ms = msToNumber(wait);
      const until = Date.now() + ms;
      for (;;) {
        const limit = Math.min(until, Date.now() + TRY_MS);
        try {
          return await client.withDeadline(limit, () => handleOf(id).query<MachineView>(MACHINE_QUERY));
        } catch (error) {
          if (error instanceof WorkflowNotFoundError) throw new TransactionNotFound(id, namespace);
          const misfit = misfitOf(error);
          const isOver = Date.now() >= until;
          // Its worker was killed, or too slow, in the midst of a task: the next one answers, once it has done that; or once the scan has begun it anew.
          const isSilent = wasDropped(error) || isTooEarly(error) || isOutOfTime(error, limit);
          if (!isSilent && misfit === undefined) throw explained(client, error);
          if (isOver) throw new WorkerSilent(id, ms, await whySilent(id, misfit));
          await sleep(error instanceof QueryNotRegisteredError ? REPLAY_AGAIN_MS : AGAIN_MS);
        }
      }
    },

    async moveDeadline(id, order) {
      try {
        return await update<DeadlineNote>(id, DEADLINE_UPDATE, order, Date.now() + ANSWER_MS);
      } catch (error) {
        if (error instanceof TimeIsOver || wasDropped(error) || wasCutOff(error)) throw new WorkerSilent(id, ANSWER_MS);
        if (error instanceof WorkflowNotFoundError) {
          const status = await standingOf(id);
          const why = FROM_OUTSIDE.includes(status) ? ENDED_FROM_OUTSIDE : undefined;
          if (GOES_ON.includes(status)) throw new WorkerSilent(id, ANSWER_MS, why);
          throw new TransactionNotFound(id, namespace, 'running');
        }
        if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) {
          throw new OrderRefused(id, error.cause.message);
        }
        throw explained(client, error);
      }
    },

    async wake(id) {
      try {
        await ask(client, () => handleOf(id).signal(WAKE_SIGNAL));
      } catch (error) {
        throw error instanceof WorkflowNotFoundError ? new TransactionNotFound(id, namespace, 'running') : error;
      }
    },

    result: (id, { wait = '1 hour' } = {}) => resultOf(id, Date.now() + msToNumber(wait)),
  };
}

function refusalOf(error: unknown): Refusal | undefined {
  const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
  return cause instanceof ApplicationFailure ? (cause.details?.[0] as Refusal | undefined) : undefined;
}

/** Whether the run was ended from outside when it had accepted an update, and had not answered: what it was asked may have happened. */
function wasCutOff(error: unknown): boolean {
  const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
  return cause instanceof ApplicationFailure && cause.type === 'AcceptedUpdateCompletedWorkflow';
}

/**
 * What a worker fails by that should answer a query: its code does not fit the run, or it was stopped in the midst of it. (The SDK has one name
 * for all that a query fails by.)
 */
function misfitOf(error: unknown): string | undefined {
  if (!(error instanceof QueryNotRegisteredError) || isTooEarly(error)) return undefined;
  const [line = ''] = error.message.split('\n');
  return line.includes('did not register a handler') ? undefined : line;
}

/** gRPC: not found, aborted, unavailable. */
const BETWEEN_RUNS: readonly number[] = [5, 10, 14];

/** Whether an update came to a run that was about to continue as new, which has not taken it: the next one will. */
function isBetweenRuns(error: unknown): boolean {
  const grpc = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  return (
    isGrpcServiceError(grpc) &&
    BETWEEN_RUNS.includes(grpc.code) &&
    /update|workflow is closing|aborted/i.test(grpc.details || grpc.message)
  );
}
