import { ApplicationFailure } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineUpdate,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { TX_SCHEME, TX_STATE } from '../attributes.js';
import type { TransactionState } from '../branch.js';
import { callActivity, isOverdue, judge, wasNeverTried } from '../calls.js';
import { transactionFailure, type TransactionReport, type TransactionStopped } from '../failure.js';
import { COMPENSATION_WINDOW_MS } from '../retry.js';
import { DECISION_UPDATE, describeView, TRANSACTION_QUERY, type Decision, type TransactionView } from '../view.js';
import type { Lane, SagaBody, SagaOptions } from './definition.js';
import type { Call, SagaDriver } from './driver.js';
import { SagaRun } from './run.js';
import { wrongSagaOption } from './options.js';
import { viewOf } from './view.js';

/** A saga as a workflow: start it with an input, and with options that override the saga's own for this call. */
export interface SagaWorkflow<Input, Result> {
  (input: Input, overrides?: SagaOptions): Promise<Result>;
  /** The saga without its driver. */
  readonly definition: { readonly options: SagaOptions; readonly body: SagaBody<Input, Result> };
}

/**
 * Defines a saga: a transaction that runs steps, registers an undo for each, and undoes on any error.
 *
 * The returned function is the workflow: export it from the module that the worker loads. It resolves to the body's
 * result when the transaction is committed.
 *
 * @throws ApplicationFailure of type `TransactionCompensated` (undone, no effect is left) or `TransactionFailed` (see
 * its report), whose first detail is the {@link TransactionReport} and whose cause is the first error
 *
 * @example
 * ```ts
 * export const placeOrder = saga({ deadline: '10 minutes' }, async (tx, order: PlaceOrder) => {
 *   const { paymentId } = await tx.run('pay', payments.charge, order);
 *   await tx.pivot('ship', shipping.dispatch, { orderId: order.orderId });
 *   return { paymentId };
 * });
 * ```
 */
export function saga<Input, Result>(options: SagaOptions, body: SagaBody<Input, Result>): SagaWorkflow<Input, Result> {
  const workflow = (input: Input, overrides: SagaOptions = {}): Promise<Result> =>
    drive({ ...options, ...overrides }, body, input);
  return Object.assign(workflow, { definition: { options, body } });
}

async function drive<Input, Result>(
  options: SagaOptions,
  body: SagaBody<Input, Result>,
  input: Input,
): Promise<Result> {
  const wrong = wrongSagaOption(options);
  if (wrong !== undefined) throw ApplicationFailure.nonRetryable(wrong, 'InvalidOptions');
  const driver = new WorkflowDriver(options);
  const run = new SagaRun<Input, Result>(driver, options);
  const view = (): TransactionView => viewOf(run, driver);
  driver.observe(view, (type) => {
    run.stop(type);
  });

  setHandler(defineQuery<TransactionView>(TRANSACTION_QUERY), view);
  setHandler(defineUpdate<Decision>(DECISION_UPDATE), async () => {
    // A cancelled transaction still owes the answer.
    await CancellationScope.nonCancellable(() => condition(() => run.state !== 'running'));
    return { state: run.state, report: run.report };
  });

  const outcome = await run.execute(body, input);
  // A caller that asked for the decision must get it before the workflow closes.
  if (!allHandlersFinished()) await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  if (outcome.committed) return outcome.result;
  throw failureOf(run.report, outcome.cause);
}

/** The one failure that a caller gets: what the cause was, what was undone, and what was not. */
function failureOf(report: TransactionReport | undefined, cause: unknown): ApplicationFailure {
  if (report === undefined) throw new Error('a saga that is not committed has a report');
  const { type, step, message } = report.cause;
  const kept = report.notUndone.filter((branch) => branch.type === 'NotUndone').map((branch) => branch.step);
  const left = report.notUndone
    .filter((branch) => branch.type !== 'NotUndone')
    .map((branch) => `${branch.step} (${branch.type}: ${branch.message})`);
  const parts = [
    `${step ? `${step}: ` : ''}${type}: ${message}`,
    ...(kept.length > 0 ? [`kept, as nothing is undone after the pivot: ${kept.join(', ')}`] : []),
    ...(kept.length === 0 ? [`undone: ${report.undone.join(', ') || 'nothing had to be'}`] : []),
    ...(left.length > 0 ? [`NOT undone: ${left.join(', ')}`] : []),
  ];
  return ApplicationFailure.create({
    type: report.state === 'compensated' ? transactionFailure.compensated : transactionFailure.failed,
    message: parts.join('; '),
    nonRetryable: true,
    details: [report],
    // The step's own failure if there was one, so that the Web UI and the client show the activity's stack.
    cause: cause instanceof Error ? (cause.cause instanceof Error ? cause.cause : cause) : undefined,
  });
}

/**
 * Drives a saga as a workflow: calls are activities, the deadline is a timer, cancellation is Temporal's. The body runs
 * in the workflow's root scope, and the deadline cancels that: a scope of its own would make the worker track the
 * context of every promise.
 */
class WorkflowDriver implements SagaDriver {
  readonly gid = workflowInfo().workflowId;
  readonly lane: Lane;
  readonly startedAt = workflowInfo().startTime.getTime();
  readonly deadlineAt: number | undefined;
  readonly #options: SagaOptions;
  readonly #root = CancellationScope.current();
  #view: (() => TransactionView) | undefined;
  #stop: (type: TransactionStopped['type']) => void = () => undefined;

  constructor(options: SagaOptions) {
    this.#options = options;
    this.lane = options.lane ?? 'durable';
    this.deadlineAt = options.deadline === undefined ? undefined : this.startedAt + msToNumber(options.deadline);
    // Where the attributes are not registered the first task fails, and not the one that begins the undo.
    if (workflowInfo().typedSearchAttributes.get(TX_STATE) === undefined) this.#enter('running');
  }

  /** Tells `stop` of the deadline and of a cancellation, before what is running hears of it. */
  observe(view: () => TransactionView, stop: (type: TransactionStopped['type']) => void): void {
    this.#view = view;
    this.#stop = stop;
    this.#root.cancelRequested.catch(() => {
      stop('Cancelled');
    });
    if (this.deadlineAt === undefined) return;
    // A worker may have come late: the deadline counts from the start.
    const left = Math.max(this.deadlineAt - this.now(), 1);
    sleep(left, { summary: 'deadline' }).then(
      () => {
        stop('DeadlineExceeded');
        this.#root.cancel();
      },
      () => undefined, // Cancelled by a request.
    );
  }

  now(): number {
    return Date.now();
  }

  call(call: Call): Promise<unknown> {
    switch (call.profile) {
      case 'pivot':
      case 'forward':
        return CancellationScope.nonCancellable(() => this.#insist(call));
      case 'compensation':
        return this.#compensate(call);
      case 'action': {
        // A local activity hears nothing of a timer while it runs: it ends with the deadline by itself.
        if (this.lane !== 'lean' || this.deadlineAt === undefined) return callActivity(call, this.lane);
        return callActivity(call, this.lane, Math.max(this.deadlineAt - this.now(), 1)).catch((error: unknown) => {
          if (isOverdue(error)) this.#stop('DeadlineExceeded');
          throw error;
        });
      }
    }
  }

  /** A local activity keeps the workflow task open while it is tried again: after a few attempts it becomes another. */
  #insist(call: Call): Promise<unknown> {
    const first = callActivity(call, this.lane);
    if (this.lane === 'durable') return first;
    return first.catch((error: unknown) => {
      if (judge(error).knowledge === 'rejected') throw error;
      return callActivity(call, 'durable');
    });
  }

  /** Each compensation has the window for itself, and a window in which no worker tried it does not count. */
  async #compensate(call: Call): Promise<unknown> {
    const { compensationWindow } = this.#options;
    const window = compensationWindow === undefined ? COMPENSATION_WINDOW_MS : msToNumber(compensationWindow);
    for (;;) {
      try {
        return await callActivity(call, this.lane, window);
      } catch (error) {
        if (!wasNeverTried(error)) throw error;
      }
    }
  }

  judge = judge;

  shielded<T>(work: () => Promise<T>): Promise<T> {
    return CancellationScope.nonCancellable(work);
  }

  group<T>(work: (cancel: () => void) => Promise<T>): Promise<T> {
    const scope = new CancellationScope({ cancellable: true });
    return scope.run(() =>
      work(() => {
        scope.cancel();
      }),
    );
  }

  cancelled(): boolean {
    return CancellationScope.current().consideredCancelled;
  }

  changed(state?: TransactionState): void {
    if (this.#view) setCurrentDetails(describeView(this.#view()));
    if (state !== undefined) this.#enter(state);
  }

  #enter(state: TransactionState): void {
    const known = workflowInfo().typedSearchAttributes;
    const scheme = known.get(TX_SCHEME) === undefined ? [{ key: TX_SCHEME, value: 'saga' }] : [];
    upsertSearchAttributes([...scheme, { key: TX_STATE, value: state }]);
  }
}
