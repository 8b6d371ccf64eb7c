import type { OperationRef, TryConfirmCancel } from '../participant.js';
import type { ConfirmingTx, SagaCall, SagaOptions, StepOptions, Tx } from '../saga/definition.js';
import { TCC } from '../saga/scheme.js';
import { drive } from '../saga/workflow.js';

/**
 * TCC: try, confirm, cancel.
 *
 * States: `running` → `committed`, or `running` → `compensating` → `compensated` | `failed`; `stuck` while a branch waits for a
 * person; `failed` where a person left a confirm or a cancel as it is.
 *
 * Transitions:
 * - The body tries branches, in its order or side by side. Each try holds what it needs; nothing is an effect yet.
 * - The body returned, or confirms, and every try succeeded: it is decided that all stand. From then on nothing is cancelled:
 *   neither the deadline nor a cancellation counts. All branches are confirmed at once, each asked until it is done.
 * - What cannot be held (a parcel, a message) goes forward after that: each step is asked until it is done.
 * - A try was refused, late or unknown, the body threw, the deadline passed, or it was cancelled: every branch that was tried, or
 *   may have been, is cancelled, all at once, each asked until it is done. What was never tried is barred.
 * - What is not done within its window waits at the desk, and an alarm goes out; the others go on.
 * - A run that settles looks at every try that the body names: all held, and nothing was cancelled: it confirms; else it cancels.
 *   Confirms were asked: it confirms, and what is lost is a case for a person.
 *
 * Invariant: at the end all branches are confirmed, or all are cancelled or barred, or the report names the person who left it
 * otherwise. No branch is confirmed before every try has succeeded, and none is both confirmed and cancelled: the guard sees
 * to that.
 *
 * The scheme is that of Pat Helland's tentative operations ("Life beyond Distributed Transactions", 2007) and of Atomikos' TCC; an
 * empty cancel and a late try are as DTM's barrier (dtm-labs/dtm) has them.
 */

/** Options of a TCC transaction; a caller may override them for one call. */
export interface TccOptions extends Pick<SagaOptions, 'lane' | 'retries' | 'compensationWindow' | 'forwardWindow'> {
  /** Cancelled if not every branch is tried by then, counted from the start. Default: 1 minute. */
  readonly deadline?: SagaOptions['deadline'];
}

/** Options of one try. */
export type TryOptions = Pick<StepOptions, 'summary' | 'timeout' | 'retries' | 'long'>;

/** What the body of a TCC transaction works with. Each branch's name is unique within the transaction. */
export interface TccTx {
  /** The global transaction's id. */
  readonly gid: string;

  /**
   * Tries a branch. It is confirmed once the body has returned, and cancelled if anything fails.
   *
   * @throws {@link StepFailed} when it was refused (the body may try another way under another name) or is unknown (the
   * transaction will be cancelled, whatever the body does)
   */
  try<Input, Held>(
    branch: string,
    operation: OperationRef<TryConfirmCancel<Input, Held>>,
    input: NoInfer<Input>,
    options?: TryOptions,
  ): Promise<Held>;

  /** Runs branches side by side, as in a saga: when one fails the others are cancelled and waited for. */
  readonly parallel: Tx['parallel'];

  /**
   * Decides that all that was tried stands, and confirms it; once. A body that goes no further need not: what it has tried is
   * confirmed when it has returned.
   *
   * @throws why it does not stand, such as its deadline; or {@link StepFailed} when a person left a branch unconfirmed
   */
  confirm(): Promise<void>;

  /**
   * Runs a step that cannot be held, once all is confirmed: as after the pivot of a saga it cannot be cancelled, is never undone, and
   * is asked until it is done.
   *
   * @throws {@link StepFailed} when a person skipped it, or (with `onRejected: 'throw'`) when it was rejected
   */
  readonly forward: Tx['forward'];
}

/** The body of a TCC transaction: what is tried, in what order. */
export type TccBody<Input, Result> = (tx: TccTx, input: Input) => Promise<Result>;

/** A TCC transaction as a workflow: start it with an input, and with options that override its own for this call. */
export type TccWorkflow<Input, Result> = (input: Input, overrides?: SagaCall) => Promise<Result>;

const DEFAULTS: SagaOptions = { deadline: '1 minute', undo: 'parallel' };

/**
 * Defines a TCC transaction: it tries branches, and confirms all of them or cancels all of them.
 *
 * The returned function is the workflow: export it from the module that the worker loads. It resolves to the body's result
 * when every branch is confirmed.
 *
 * @throws ApplicationFailure of type `TransactionCompensated` (cancelled, no effect is left) or `TransactionFailed` (see its
 * report), as a saga does
 *
 * @example
 * ```ts
 * export const transfer = tcc({}, async (tx, { from, to, amount }: Transfer) => {
 *   await tx.parallel(
 *     () => tx.try('from', bankA.withdraw, { account: from, amount }),
 *     () => tx.try('to', bankB.deposit, { account: to, amount }),
 *   );
 *   await tx.confirm();
 *   await tx.forward('tell', messages.moneyCame, { to, amount });
 * });
 * ```
 */
export function tcc<Input, Result>(options: TccOptions, body: TccBody<Input, Result>): TccWorkflow<Input, Result> {
  return (input, overrides = {}) => {
    const run = (tx: ConfirmingTx) => {
      // The run is told what the operations are called: a try is begun as a step is.
      const begin = tx.run.bind(tx) as unknown as TccTx['try'];
      const rest = {
        parallel: tx.parallel.bind(tx),
        confirm: tx.confirm.bind(tx),
        forward: tx.forward.bind(tx),
      };
      return body({ gid: tx.gid, try: begin, ...rest }, input);
    };
    return drive(TCC, { ...DEFAULTS, ...options, ...overrides }, run, input);
  };
}
