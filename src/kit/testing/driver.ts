import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure, TerminatedFailure } from '@temporalio/common';
import { operate, OrderRefused, TransactionNotFound } from '../client/index.js';
import { settle } from '../worker/settle.js';
import type { Scheme } from '../workflow/branch.js';
import {
  agentId,
  initialAttributes,
  transactionFailure,
  type SagaOptions,
  type ThreePhaseOptions,
  type TransactionReport,
} from '../workflow/index.js';
import type { MatrixLaneName } from './lanes.js';
import type { Outside } from './outside.js';
import type { DriveTimes, Terms } from './protocol.js';
import type { MatrixResult } from './result.js';
import { MATRIX_MEMO } from './workflow/shorten.js';

/** How a deadline is moved: so many milliseconds from now, and heard of so many later. */
const DEADLINE_MS = 150;
/** How long a settling run may take to be started. */
const SETTLE_ATTEMPTS = 10;

export const faultOrder = { actor: 'crash matrix', reason: 'a fault was set' } as const;

/** How a transaction ended. */
export interface Ended {
  readonly state: Exclude<MatrixResult['state'], 'open'>;
  readonly message?: string;
  /** Those that it says a person has left as they are. */
  readonly left?: readonly string[];
}

/** A transaction of a matrix. */
export interface MatrixOrder {
  readonly gid: string;
  readonly input: unknown;
  /** Those that share its group. */
  readonly neighbours: readonly { readonly gid: string; readonly input: unknown }[];
  readonly call: ThreePhaseOptions & Omit<SagaOptions, 'lane'> & { readonly lane?: MatrixLaneName };
  /** How its workflow is started, now or later. */
  readonly terms: Terms;
  /** The task queue of the process that is asked for it first, where callers' processes drive. */
  readonly asked: string;
  /** For a caller's process that drives it. */
  readonly times: DriveTimes;
}

/** Has the transactions of a matrix driven, ends them in every way that is not their own, and waits for them. */
export interface TransactionDriver extends Omit<Outside, 'kill' | 'mayKill'> {
  /** Begins it, and its neighbours. */
  start(order: MatrixOrder): Promise<void>;
  /** Waits until it has ended by itself. */
  ended(gid: string): Promise<Ended>;
  /** Ends what did not end by itself. */
  abandon(gid: string): Promise<void>;
  /** What does not agree with how it ended, when nothing of it is under way any more: a line each. */
  disagreements(gid: string, ended: Ended): Promise<string[]>;
}

/** For lanes in which a transaction is a workflow from its beginning. */
export class WorkflowStarter implements TransactionDriver {
  readonly #client: Client;
  readonly #workflow: string;
  readonly #scheme: Scheme;
  /** Settling runs that are being started. */
  readonly #settling = new Map<string, Promise<boolean>>();

  constructor(client: Client, workflow: string, scheme: Scheme = 'saga') {
    this.#client = client;
    this.#workflow = workflow;
    this.#scheme = scheme;
  }

  async start({ gid, input, call, terms: { taskQueue, memo } }: MatrixOrder): Promise<void> {
    await this.#client.workflow.start(this.#workflow, {
      workflowId: gid,
      taskQueue,
      args: [input, call],
      memo: { [MATRIX_MEMO]: memo },
      typedSearchAttributes: initialAttributes(this.#scheme),
      workflowTaskTimeout: memo.taskMs,
    });
  }

  /** In its settling run, if it was terminated. */
  async ended(gid: string): Promise<Ended> {
    for (;;) {
      try {
        await this.#client.workflow.getHandle(gid).result();
        return { state: 'committed' };
      } catch (error) {
        if (!(error instanceof WorkflowFailedError)) throw error;
        const { cause } = error;
        if (cause instanceof TerminatedFailure && (await this.settled(gid))) continue;
        const undone = cause instanceof ApplicationFailure && cause.type === transactionFailure.compensated;
        const left = leftIn(cause instanceof ApplicationFailure ? cause : undefined);
        return { state: undone ? 'compensated' : 'failed', message: cause?.message ?? error.message, left };
      }
    }
  }

  /** Waits until its settling run was started. @returns whether one is */
  async settled(gid: string): Promise<boolean> {
    await this.#settling.get(gid);
    return this.#settling.has(gid);
  }

  disagreements(): Promise<string[]> {
    return Promise.resolve([]); // Its workflow's outcome is all that there is.
  }

  caller(): undefined {
    return undefined;
  }

  async abandon(gid: string): Promise<void> {
    await unlessEnded(this.#client.workflow.getHandle(gid).terminate('the crash matrix gives it up'));
  }

  async cancel(gid: string): Promise<void> {
    await unlessEnded(this.#client.workflow.getHandle(gid).cancel());
  }

  async deadline(gid: string): Promise<void> {
    const deadlineAt = Date.now() + DEADLINE_MS;
    try {
      await operate(this.#client, gid, { action: 'deadline', deadlineAt, ...faultOrder });
    } catch (error) {
      if (error instanceof OrderRefused || error instanceof TransactionNotFound) return;
      throw error;
    }
    await sleep(Math.max(deadlineAt - Date.now(), 0) + DEADLINE_MS);
  }

  terminate(gid: string): Promise<void> {
    return this.#terminate(gid);
  }

  terminateAgent(gid: string, branch: string): Promise<void> {
    return this.#terminate(agentId(gid, branch));
  }

  async #terminate(workflowId: string): Promise<void> {
    await this.settled(workflowId);
    const { runId } = await this.#client.workflow.getHandle(workflowId).describe();
    const handle = this.#client.workflow.getHandle(workflowId, runId);
    let ended: () => void = () => undefined;
    const terminated = new Promise<void>((resolve) => (ended = resolve));
    const settled = settleSoon(terminated, () => settle(this.#client, { workflowId, runId }));
    this.#settling.set(workflowId, settled);
    await unlessEnded(handle.terminate(faultOrder.reason)).finally(ended);
  }
}

/** The branches that a person has left, by what a transaction failed with. */
function leftIn(failure: ApplicationFailure | undefined): string[] {
  const [report] = (failure?.details ?? []) as (TransactionReport | undefined)[];
  return report?.notUndone.filter(({ type }) => type === 'Skipped').map(({ step }) => step) ?? [];
}

/** Does something to a run, unless that has ended. */
export async function unlessEnded(asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

/** Settles what was terminated, as the scan would, at once: tries it until the server can. */
export async function settleSoon<Result>(terminated: Promise<void>, trySettle: () => Promise<Result>): Promise<Result> {
  await terminated;
  for (let attempt = 1; ; attempt++) {
    try {
      return await trySettle();
    } catch (error) {
      if (attempt === SETTLE_ATTEMPTS) throw error;
      await sleep(attempt * 50);
    }
  }
}
