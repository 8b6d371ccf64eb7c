import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure, TerminatedFailure } from '@temporalio/common';
import { operate, OrderRefused, TransactionNotFound } from '../client/index.js';
import { settle } from '../worker/settle.js';
import { initialAttributes, transactionFailure, type SagaCall } from '../workflow/index.js';
import type { Outside } from './flight.js';
import type { MatrixResult } from './result.js';
import { MATRIX_MEMO, type MatrixMemo } from './workflow/shorten.js';

/** How a deadline is moved: so many milliseconds from now, and heard of so many later. */
const DEADLINE_MS = 150;
/** How long a settling run may take to be started. */
const SETTLE_ATTEMPTS = 10;

const by = { actor: 'crash matrix', reason: 'a fault was set' } as const;

/** How a transaction ended. */
export interface Ended {
  readonly state: Exclude<MatrixResult['state'], 'open'>;
  readonly message?: string;
}

/** Starts the transactions of a matrix, ends them in every way that is not their own, and waits for them. */
export class Driver implements Omit<Outside, 'kill'> {
  readonly #client: Client;
  readonly #workflow: string;
  /** Settling runs that are being started. */
  readonly #settling = new Map<string, Promise<void>>();

  constructor(client: Client, workflow: string) {
    this.#client = client;
    this.#workflow = workflow;
  }

  async start(gid: string, taskQueue: string, memo: MatrixMemo, input: unknown, call: SagaCall): Promise<void> {
    await this.#client.workflow.start(this.#workflow, {
      workflowId: gid,
      taskQueue,
      args: [input, call],
      memo: { [MATRIX_MEMO]: memo },
      typedSearchAttributes: initialAttributes('saga'),
      // A task that a killed worker had begun is another's soon.
      workflowTaskTimeout: '3 seconds',
    });
  }

  /** Waits until it has ended by itself, in its settling run if it was terminated. */
  async ended(gid: string): Promise<Ended> {
    for (;;) {
      try {
        await this.#client.workflow.getHandle(gid).result();
        return { state: 'committed' };
      } catch (error) {
        if (!(error instanceof WorkflowFailedError)) throw error;
        const { cause } = error;
        if (cause instanceof TerminatedFailure && this.#settling.has(gid)) {
          await this.#settling.get(gid);
          continue;
        }
        const undone = cause instanceof ApplicationFailure && cause.type === transactionFailure.compensated;
        return { state: undone ? 'compensated' : 'failed', message: cause?.message ?? error.message };
      }
    }
  }

  /** Ends what did not end by itself. */
  async abandon(gid: string): Promise<void> {
    await this.#unlessEnded(this.#client.workflow.getHandle(gid).terminate('the crash matrix gives it up'));
  }

  async cancel(gid: string): Promise<void> {
    await this.#unlessEnded(this.#client.workflow.getHandle(gid).cancel());
  }

  async deadline(gid: string): Promise<void> {
    const deadlineAt = Date.now() + DEADLINE_MS;
    try {
      await operate(this.#client, gid, { action: 'deadline', deadlineAt, ...by });
    } catch (error) {
      if (error instanceof OrderRefused || error instanceof TransactionNotFound) return;
      throw error;
    }
    await sleep(Math.max(deadlineAt - Date.now(), 0) + DEADLINE_MS);
  }

  async terminate(gid: string): Promise<void> {
    const handle = this.#client.workflow.getHandle(gid);
    const { runId } = await handle.describe();
    let ended: () => void = () => undefined;
    const terminated = new Promise<void>((resolve) => (ended = resolve));
    this.#settling.set(gid, this.#settle(gid, runId, terminated));
    await this.#unlessEnded(handle.terminate(by.reason)).finally(ended);
  }

  /** As the scan would, at once. */
  async #settle(gid: string, runId: string, terminated: Promise<void>): Promise<void> {
    await terminated;
    for (let attempt = 1; ; attempt++) {
      try {
        await settle(this.#client, { workflowId: gid, runId });
        return;
      } catch (error) {
        if (attempt === SETTLE_ATTEMPTS) throw error;
        await sleep(attempt * 50);
      }
    }
  }

  async #unlessEnded(asked: Promise<unknown>): Promise<void> {
    try {
      await asked;
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }
}
