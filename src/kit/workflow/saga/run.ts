import type { Branch, Op, TransactionState } from '../branch.js';
import { GrammarError, StepFailed, TransactionStopped, type TransactionReport } from '../failure.js';
import type { OperationRef } from '../participant.js';
import type { SagaBody, SagaOptions, StepOptions, Tx } from './definition.js';
import type { CallProfile, Judgement, SagaDriver } from './driver.js';
import { brokenRule } from './grammar.js';
import { keep, type Kept } from './kept.js';
import { Ledger, type BranchRecord, type StepKind } from './ledger.js';
import { wrongStepOption } from './options.js';
import { reportOf } from './report.js';
import { undoBranches } from './undo.js';

/** How a run ended: {@link SagaRun.report} says what was undone. */
export type SagaOutcome<Result> = { committed: true; result: Result } | { committed: false; cause: unknown };

/**
 * One run of a saga, whoever drives it.
 *
 * States: `running` → `committed`, or `running` → `compensating` → `compensated` | `failed`; `running` → `failed` when
 * something after the pivot cannot be done.
 *
 * Transitions:
 * - The body runs. Each step is recorded before it is called, and what is known of it when it settled.
 * - A step whose outcome is unknown, a broken rule of the grammar, the deadline and a cancellation *doom* the run: no
 *   further step is begun, whatever the body does. A rejected step does not: a body may catch it and try another way.
 * - After the pivot was scheduled nothing dooms it: a *flaw* there (an unknown step, a broken rule) lets the others go on.
 * - When the body has ended and every step has settled, the run is decided once: committed if the body returned and the
 *   run is neither doomed nor flawed; forward only (so failed, with nothing undone) if the pivot may have happened; else undone.
 * - The undo asks every branch that happened or may have happened, newest first or all at once. One that fails does not
 *   keep the others from being undone.
 *
 * Invariant: at the end of a run every branch before the pivot has its effect exactly once (committed), or is undone or
 * barred (compensated), or is named in the report as not undone (failed).
 */
export class SagaRun<Input, Result> {
  readonly ledger = new Ledger();
  state: TransactionState = 'running';
  readonly #driver: SagaDriver;
  readonly #options: SagaOptions;
  /** Set when the body has ended: told of every step that settles after it. */
  #onSettled: ((failed?: StepFailed) => void) | undefined;
  /** Why no further step begins. */
  #doom: Error | undefined;
  /** A stop that came when the pivot was already under way: it counts only if the pivot is rejected. */
  #late: Error | undefined;
  /** What went wrong after the pivot: the others go on, but the transaction is not committed. */
  #flaw: Error | undefined;
  /** The first failure of a parallel group that is being cancelled: the cause of what becomes unknown by that. */
  #cancelling: Error | undefined;
  /** Ends the run with an error of the driver or the worker, not of a participant: nothing may be decided on it. */
  #break: (defect: unknown) => void = () => undefined;
  #report: TransactionReport | undefined;

  constructor(driver: SagaDriver, options: SagaOptions) {
    this.#driver = driver;
    this.#options = options;
  }

  /** Why the transaction is not committed, from the moment that this is decided. */
  get report(): TransactionReport | undefined {
    return this.#report;
  }

  /** Lets no further step begin, unless the pivot was scheduled. The caller cancels what is running. */
  stop(type: TransactionStopped['type']): void {
    const why = type === 'Cancelled' ? 'the transaction was cancelled by a request' : this.#overdue();
    const reason = new TransactionStopped(type, why);
    if (this.ledger.pivoted) this.#late ??= reason;
    else this.#doom ??= reason;
  }

  #overdue(): string {
    const { deadline = 0 } = this.#options;
    return `not past its pivot within ${typeof deadline === 'number' ? `${deadline} ms` : deadline}`;
  }

  /**
   * Runs the body to its decision, and the undo if that is the decision.
   *
   * @throws only a defect that the driver would not judge; nothing is decided then
   * @returns the body's result if committed, else the first error; {@link report} then says what was undone
   */
  execute(body: SagaBody<Input, Result>, input: Input): Promise<SagaOutcome<Result>> {
    return new Promise((resolve, reject) => {
      this.#break = reject;
      this.#decide(body, input).then(resolve, reject);
    });
  }

  async #decide(body: SagaBody<Input, Result>, input: Input): Promise<SagaOutcome<Result>> {
    let outcome: { result: Result } | { thrown: unknown };
    try {
      outcome = { result: await body(this.#tx(), input) };
    } catch (thrown) {
      outcome = { thrown };
    }
    // A body may end before its steps have: they are waited for, and what they fail with is its failure.
    if (this.ledger.running !== undefined) {
      const failed = await this.#driver.shielded(() => this.#settle());
      if (failed && 'result' in outcome) outcome = { thrown: failed };
    }
    const doom = this.#doom ?? (this.ledger.pivoted ? this.#flaw : this.#late);
    if ('result' in outcome && doom === undefined) {
      this.#enter('committed');
      return { committed: true, result: outcome.result };
    }
    const cause = doom ?? (outcome as { thrown: unknown }).thrown;
    if (this.ledger.pivoted) this.#fail(cause);
    else await this.#driver.shielded(() => this.#undo(cause));
    return { committed: false, cause };
  }

  /** Waits until no step runs. @returns the first failure of those that were waited for */
  #settle(): Promise<StepFailed | undefined> {
    return new Promise((resolve) => {
      let first: StepFailed | undefined;
      this.#onSettled = (failed) => {
        first ??= failed;
        if (this.ledger.running === undefined) resolve(first);
      };
    });
  }

  #tx(): Tx {
    return {
      gid: this.#driver.gid,
      run: (step, operation, input, options) => this.#step('step', step, operation, input, options),
      pivot: (step, operation, input, options) => this.#step('pivot', step, operation, input, options),
      forward: (step, operation, input, options) => this.#step('forward', step, operation, input, options),
      parallel: (...branches) => this.#parallel(branches) as never,
    };
  }

  /**
   * Begins a step. The worker records a stack trace for each promise of a workflow, which costs more than all else
   * here: so this is a chain of one promise a step, and not an async function.
   */
  #step<Result>(
    kind: StepKind,
    step: string,
    operation: OperationRef<unknown>,
    input: unknown,
    options: StepOptions = {},
  ): Promise<Result> {
    const refusal = this.#refusal(kind, step, options);
    if (refusal !== undefined) return rejected(refusal);
    let kept: Kept;
    try {
      kept = keep(input);
    } catch (error) {
      return rejected(this.#broken(`step '${step}': JSON does not carry its input: ${(error as Error).message}`));
    }
    const record = this.ledger.begin({
      step,
      kind,
      operation: operation.name,
      summary: options.summary ?? step,
      input: kept,
      options,
      startedAt: this.#driver.now(),
    });
    const settled: Promise<unknown> = this.#send(record, input).then(
      (result) => {
        this.ledger.succeed(record, result, this.#driver.now());
        this.#driver.changed();
        this.#onSettled?.();
        return result;
      },
      (error: unknown) => {
        // A body may not wait for its steps, which must not end the run.
        settled.catch(ignore);
        return this.#failed(record, error);
      },
    );
    this.#driver.changed();
    return settled as Promise<Result>;
  }

  #send(record: BranchRecord, input: unknown): Promise<unknown> {
    const profile = record.kind === 'step' ? 'action' : record.kind;
    const { retries } = this.#options;
    const options =
      retries === undefined || record.options.retries !== undefined ? record.options : { ...record.options, retries };
    try {
      return this.#call(record, 'action', profile, [input], options);
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Records what is known of a step that failed, and fails it for the body. */
  #failed(record: BranchRecord, error: unknown): Promise<never> {
    const judgement = this.#judge(error);
    if (judgement === undefined) return never();
    this.#watchDeadline();
    this.ledger.fail(record, judgement, this.#driver.now());
    this.#driver.changed();
    const failed = new StepFailed(record.step, judgement.knowledge, judgement, error);
    if (judgement.knowledge === 'unknown') {
      if (record.kind === 'forward') this.#flaw ??= failed;
      else this.#doom ??= this.#cancelling ?? failed;
    }
    this.#onSettled?.(failed);
    throw failed;
  }

  #call(record: BranchRecord, op: Op, profile: CallProfile, args: unknown[], options: StepOptions): Promise<unknown> {
    const { operation, summary } = record;
    return this.#driver.call({
      branch: this.#branch(record, op),
      operation,
      profile,
      args,
      summary: op === 'action' ? summary : `undo: ${summary}`,
      options,
    });
  }

  #branch({ step, seq, state }: BranchRecord, op: Op): Branch {
    const branch: Branch = { gid: this.#driver.gid, branch: step, op, scheme: 'saga', seq };
    return op === 'compensation' && state === 'succeeded' ? { ...branch, succeeded: true } : branch;
  }

  /** Why a step must not begin, if so. */
  #refusal(kind: StepKind, step: string, options: StepOptions): Error | undefined {
    this.#watchDeadline();
    const { pivoted } = this.ledger;
    const doom = this.#doom ?? (pivoted ? undefined : this.#late);
    if (doom !== undefined) return doom;
    if (this.state !== 'running') {
      return new GrammarError(`step '${step}' was begun after the saga's body had ended`);
    }
    const rule = brokenRule(this.ledger, this.#driver.gid, kind, step);
    if (rule !== undefined) return this.#broken(rule);
    const wrong = wrongStepOption(options);
    if (wrong !== undefined) return this.#broken(`step '${step}': ${wrong}`);
    if (kind !== 'forward' && this.#driver.cancelled()) {
      return new TransactionStopped('Cancelled', `step '${step}' was not begun: a branch beside it has failed`);
    }
    return undefined;
  }

  /** A body that breaks a rule is undone; after the pivot the other steps go on. */
  #broken(rule: string): GrammarError {
    const broken = new GrammarError(rule);
    if (this.ledger.pivoted) this.#flaw ??= broken;
    else this.#doom ??= broken;
    return broken;
  }

  /** A driver's timer may be late, or what it tells may be: the clock counts. */
  #watchDeadline(): void {
    const { deadlineAt } = this.#driver;
    if (deadlineAt !== undefined && this.#driver.now() >= deadlineAt) this.stop('DeadlineExceeded');
  }

  #parallel(branches: readonly (() => Promise<unknown>)[]): Promise<unknown[]> {
    return this.#driver.group(async (cancel) => {
      let first: { failure: unknown } | undefined;
      const results = await Promise.all(
        branches.map(async (branch) => {
          try {
            return await branch();
          } catch (failure) {
            if (first === undefined) {
              first = { failure };
              if (failure instanceof Error) this.#cancelling ??= failure;
              cancel();
            }
            return undefined;
          }
        }),
      );
      if (first === undefined) return results;
      this.#cancelling = undefined;
      throw first.failure;
    });
  }

  async #undo(cause: unknown): Promise<void> {
    const branches = this.ledger.toUndo;
    this.#report = this.#describe(cause, 'compensating', []);
    if (branches.length > 0) this.#enter('compensating');
    const undone = await undoBranches(branches, {
      driver: this.#driver,
      order: this.#options.undo ?? 'newest-first',
      call: (record, op, args) => this.#call(record, op, 'compensation', args, { timeout: record.options.timeout }),
      judge: (error) => this.#judge(error),
      progress: (sofar) => {
        this.#report = this.#describe(cause, 'compensating', sofar);
      },
    });
    const state = undone.length === branches.length ? 'compensated' : 'failed';
    this.#report = this.#describe(cause, state, undone);
    this.#enter(state);
  }

  /** Judges a failed call; what the driver will not judge breaks the run there and then: the body never goes on. */
  #judge(error: unknown): Judgement | undefined {
    try {
      return this.#driver.judge(error);
    } catch (defect) {
      this.#break(defect);
      return undefined;
    }
  }

  #fail(cause: unknown): void {
    this.#report = this.#describe(cause, 'failed', []);
    this.#enter('failed');
  }

  #describe(cause: unknown, state: TransactionState, undone: readonly string[]): TransactionReport {
    return reportOf(this.#driver.gid, this.ledger, cause, state, undone);
  }

  #enter(state: TransactionState): void {
    this.state = state;
    this.#driver.changed(state);
  }
}

/** A rejection that a body need not handle. */
function rejected(error: Error): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(ignore);
  return promise;
}

function ignore(): void {
  // What is to be known of it is in the ledger.
}

/** What waits for it never goes on. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}
