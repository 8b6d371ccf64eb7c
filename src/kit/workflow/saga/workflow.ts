import { ApplicationFailure } from '@temporalio/common';
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineUpdate,
  setHandler,
} from '@temporalio/workflow';
import { DECIDE_UPDATE, type DeskNote, type DeskOrder } from '../desk.js';
import { refuseEarlyLooks } from '../early-look.js';
import { MetDriver } from '../failure.js';
import { OPERATE_UPDATE, type OperatorNote, type OperatorOrder } from '../operate.js';
import { DECISION_UPDATE, TRANSACTION_QUERY, type Decision, type TransactionView } from '../view.js';
import type { RunBody, SagaBody, SagaCall, SagaOptions } from './definition.js';
import { wrongSagaOption } from './options.js';
import {
  appliedBefore,
  endAsOther,
  endBy,
  OtherTransaction,
  refuseOther,
  takeOver,
  tellEnd,
  type Taken,
} from './adopt.js';
import { failureOf } from './report.js';
import { driveGroup } from './group/drive.js';
import { SagaRun, type SagaOutcome } from './run.js';
import { SAGA, type Ops } from './scheme.js';
import { showRefused } from './shown.js';
import { viewOf } from './view.js';
import { WorkflowDriver } from './workflow-driver.js';

/** A saga as a workflow: start it with an input, and with options that override the saga's own for this call. */
export interface SagaWorkflow<Input, Result> {
  (input: Input, overrides?: SagaCall): Promise<Result>;
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
  const workflow = (input: Input, overrides: SagaCall = {}): Promise<Result> => {
    const { group } = overrides;
    if (group === undefined) return drive(SAGA, { ...options, ...overrides }, body, input);
    // Only who starts a group asks for what it gives.
    return driveGroup({ options, body: body as SagaBody<unknown, unknown> }, { ...overrides, group }) as Promise<never>;
  };
  return Object.assign(workflow, { definition: { options, body } });
}

/** Makes what drives a run. */
type MakeDriver = (...args: ConstructorParameters<typeof WorkflowDriver>) => WorkflowDriver;

/** Runs a transaction of a scheme as the workflow that this is. The same failures as {@link saga}. */
export async function drive<Input, Result>(
  ops: Ops,
  given: SagaCall,
  body: RunBody<Input, Result>,
  input: Input,
  makeDriver: MakeDriver = (...args) => new WorkflowDriver(...args),
): Promise<Result> {
  refuseEarlyLooks();
  refuseWrong(ops, given);
  let options = given;
  let taken: Taken | undefined;
  if (given.adopt !== undefined) {
    try {
      taken = await takeOver(given, given.adopt);
      if ('fate' in taken) return endBy<Result>(taken.fate);
    } catch (error) {
      if (error instanceof OtherTransaction) return endAsOther(error, undefined);
      throw error;
    }
    options = taken.options;
  }
  const driver = makeDriver(ops, options, begunAt(options, taken));
  let run = new SagaRun<Input, Result>(driver, options, ops);
  const observe = () => {
    const current = run;
    driver.observe(current, () => viewOf(current, driver));
  };
  observe();

  setHandler(defineQuery<TransactionView>(TRANSACTION_QUERY), () => viewOf(run, driver));
  setHandler(defineUpdate<Decision>(DECISION_UPDATE), async () => {
    // A cancelled transaction still owes the answer.
    await CancellationScope.nonCancellable(() => condition(() => run.state !== 'running'));
    return { state: run.state, report: run.report };
  });
  setHandler(defineUpdate<DeskNote, [DeskOrder]>(DECIDE_UPDATE), (order) => run.desk.decide(order), {
    validator: (order: DeskOrder) => {
      refuse(run.desk.wrong(order));
    },
  });
  setHandler(defineUpdate<OperatorNote, [OperatorOrder]>(OPERATE_UPDATE), (order) => driver.operate(order), {
    validator: (order: OperatorOrder) => {
      refuse(driver.wrongOrder(order));
    },
  });

  let outcome: SagaOutcome<Result> | undefined;
  while (outcome === undefined) {
    try {
      outcome = await run.execute(body, input);
    } catch (met) {
      if (!(met instanceof MetDriver)) throw met;
      // It has come to somebody else's first step, and done nothing that counts: it begins again, as the only driver.
      try {
        if (met.fate !== undefined) {
          refuseOther(met.fate);
          await run.decideBegunAnew();
          return endBy<Result>(met.fate);
        }
        taken = await takeOver(options, { home: met.home });
        if ('fate' in taken) return endBy<Result>(taken.fate);
      } catch (error) {
        if (!(error instanceof OtherTransaction)) throw error;
        // With another input it may have come there by another way.
        await run.giveUp(error);
        if (options.adopt !== undefined) await run.decideUnknown(await appliedBefore(options.adopt), { cause: error });
        if (run.report?.state !== 'failed') return endAsOther(error, options.adopt);
        outcome = { committed: false, cause: error };
        break;
      }
      options = taken.options;
      driver.restart(options);
      run = new SagaRun<Input, Result>(driver, options, ops);
      observe();
    }
  }
  if (options.adopt !== undefined) {
    await run.decideUnknown(await appliedBefore(options.adopt), outcome.committed ? undefined : outcome);
  }
  const { report } = run;
  const wasLeft = run.desk.notes.some(({ action }) => action === 'skip');
  if (report?.state === 'failed' && !wasLeft) await driver.failed(report.cause);
  const failure = outcome.committed ? undefined : failureOf(report, outcome.cause);
  if (options.adopt !== undefined) {
    await tellEnd(options.adopt, outcome.committed ? { result: outcome.result } : { report, failure });
  }
  // A caller that asked for the decision must get it before the workflow closes.
  if (!allHandlersFinished()) await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  if (outcome.committed) return outcome.result;
  throw failure ?? new Error('a saga that is not committed has failed');
}

/** When the transaction began, as far as anybody before this run knows. */
function begunAt({ beganAt }: SagaCall, taken: Taken | undefined): number | undefined {
  const known = [beganAt, taken?.beganAt].filter((at) => at !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** A call with options that make no sense ends before anything happens. */
function refuseWrong({ scheme, lanes }: Ops, options: SagaCall): void {
  const { lane = 'durable', group } = options;
  const wrong =
    group !== undefined
      ? "lane 'grouped' is for sagas: start it in another lane"
      : lanes?.includes(lane) === false
        ? `lane '${lane}' is not for scheme '${scheme}', which takes ${lanes.join(', ')}`
        : wrongSagaOption(options);
  if (wrong === undefined) return;
  // The first run had something to finish: this one waits for a worker with mended code.
  if (options.settle !== undefined) throw new Error(`it cannot be settled: ${wrong}`);
  showRefused(scheme);
  throw ApplicationFailure.nonRetryable(wrong, 'InvalidOptions');
}

/** Refuses an update before it is accepted: nothing of it is left in the history. */
function refuse(wrong: string | undefined): void {
  if (wrong !== undefined) throw ApplicationFailure.nonRetryable(wrong, 'DoesNotFit');
}
