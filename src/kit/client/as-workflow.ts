import { type Client, WithStartWorkflowOperation, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { StartOrder } from '../workflow/fate.js';
import { DECISION_UPDATE, type Decision } from '../workflow/view.js';
import { startOptions } from './adopt.js';
import { GidConflict } from './errors.js';
import { awaitDecision, awaitDecisionOf, awaitOutcome, outcomeAfter, type StartedRun } from './outcome.js';
import { ask } from './server.js';

/** A transaction that was asked for. */
export interface Order {
  readonly gid: string;
  readonly start: StartOrder;
}

/** A run that was started for an order, by this call or before. */
export interface OrderRun extends StartedRun {
  readonly runId: string;
  readonly duplicate: boolean;
}

/** Transactions as workflows of their own: started once for a gid, and waited for. The same errors as the call. */
export class AsWorkflow {
  readonly #client: Client;
  readonly #eagerStart: boolean | undefined;

  constructor(client: Client, eagerStart: boolean | undefined) {
    this.#client = client;
    this.#eagerStart = eagerStart;
  }

  async start(order: Order): Promise<OrderRun> {
    const { gid, start } = order;
    const { taskQueue } = start;
    const options = { ...startOptions(gid, start), requestEagerStart: this.#eagerStart };
    try {
      const handle = await ask(this.#client, () => this.#client.workflow.start(start.transaction, options));
      return { gid, taskQueue, runId: handle.firstExecutionRunId, duplicate: false };
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      return { gid, taskQueue, runId: await this.#existing(order), duplicate: true };
    }
  }

  /** @param until milliseconds since 1970 */
  async run<Result>(order: Order, undo: 'wait' | 'background', until: number, onStarted?: () => void): Promise<Result> {
    if (undo === 'background') {
      const [run, decision] = await this.#toDecision(order, until);
      return outcomeAfter<Result>(this.#client, run, until, decision);
    }
    const run = await this.start(order);
    onStarted?.();
    return awaitOutcome<Result>(this.#client, run, until);
  }

  async #toDecision(order: Order, until: number): Promise<[StartedRun, Decision]> {
    const { gid, start } = order;
    const run = { gid, taskQueue: start.taskQueue };
    const decision = () =>
      this.#client.workflow.executeUpdateWithStart<() => Promise<unknown>, Decision, []>(DECISION_UPDATE, {
        startWorkflowOperation: new WithStartWorkflowOperation(start.transaction, {
          ...startOptions(gid, start),
          workflowIdConflictPolicy: 'FAIL',
        }),
      });
    try {
      return [run, await awaitDecision(this.#client, run, until, decision)];
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    const started = { ...run, runId: await this.#existing(order) };
    return [started, await awaitDecisionOf(this.#client, started, until)];
  }

  /** The run that has the gid already. @throws {@link GidConflict} when it is of something else */
  async #existing({ gid, start: { transaction, inputHash } }: Order): Promise<string> {
    const known = await ask(this.#client, () => this.#client.workflow.getHandle(gid).describe());
    if (known.type !== transaction) throw new GidConflict(gid, `as a run of '${known.type}'`);
    const hash = known.memo?.inputHash;
    if (hash !== undefined && hash !== inputHash) throw new GidConflict(gid, 'with other content');
    return known.runId;
  }
}
