import type { Op, TransactionState } from '../branch.js';
import { GrammarError, StepFailed, TransactionStopped, type TransactionReport } from '../failure.js';
import type { OperationRef } from '../participant.js';
import type { SagaBody, SagaOptions, StepOptions, Tx } from './definition.js';
import type { CallProfile, Judgement, SagaDriver } from './driver.js';
import { Ledger, type BranchRecord, type StepKind } from './ledger.js';
import { reportOf } from './report.js';

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
  readonly #inFlight = new Set<Promise<unknown>>();
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
      outcome = { result: await this.#driver.cancellable(() => body(this.#tx(), input)) };
    } catch (thrown) {
      outcome = { thrown };
    }
    // A body may end before its steps have: they are waited for, and what they fail with is its failure.
    while (this.#inFlight.size > 0) {
      const settled = await this.#driver.shielded(() => Promise.allSettled(this.#inFlight));
      const failed = settled.find(({ status }) => status === 'rejected');
      if (failed && 'result' in outcome) outcome = { thrown: (failed as PromiseRejectedResult).reason };
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

  #tx(): Tx {
    return {
      gid: this.#driver.gid,
      run: (step, operation, input, options) => this.#step('step', step, operation, input, options),
      pivot: (step, operation, input, options) => this.#step('pivot', step, operation, input, options),
      forward: (step, operation, input, options) => this.#step('forward', step, operation, input, options),
      parallel: (...branches) => this.#parallel(branches) as never,
    };
  }

  #step<Result>(
    kind: StepKind,
    step: string,
    operation: OperationRef<unknown>,
    input: unknown,
    options: StepOptions = {},
  ): Promise<Result> {
    const settled = this.#begin(kind, step, operation, input, options);
    this.#inFlight.add(settled);
    const forget = () => this.#inFlight.delete(settled);
    void settled.then(forget, forget);
    return settled as Promise<Result>;
  }

  async #begin(
    kind: StepKind,
    step: string,
    operation: OperationRef<unknown>,
    input: unknown,
    options: StepOptions,
  ): Promise<unknown> {
    this.#admit(kind, step);
    const record = this.ledger.begin({
      step,
      kind,
      operation: operation.name,
      summary: options.summary ?? step,
      input,
      startedAt: this.#driver.now(),
    });
    const profile = kind === 'step' ? 'action' : kind;
    try {
      const call = this.#call(record, 'action', profile, [input], {
        ...options,
        retries: options.retries ?? this.#options.retries,
      });
      this.#driver.changed();
      const result = await call;
      this.ledger.succeed(record, result, this.#driver.now());
      this.#driver.changed();
      return result;
    } catch (error) {
      const judgement = await this.#judge(error);
      this.#watchDeadline();
      this.ledger.fail(record, judgement, this.#driver.now());
      this.#driver.changed();
      const failed = new StepFailed(step, judgement.knowledge, judgement, error);
      if (judgement.knowledge === 'unknown') {
        if (kind === 'forward') this.#flaw ??= failed;
        else this.#doom ??= this.#cancelling ?? failed;
      }
      throw failed;
    }
  }

  #call(record: BranchRecord, op: Op, profile: CallProfile, args: unknown[], options: StepOptions): Promise<unknown> {
    const { step, seq, operation, summary } = record;
    return this.#driver.call({
      branch: { gid: this.#driver.gid, branch: step, op, scheme: 'saga', seq },
      operation,
      profile,
      args,
      summary: op === 'action' ? summary : `undo: ${summary}`,
      options,
    });
  }

  /** Refuses a step that must not begin. */
  #admit(kind: StepKind, step: string): void {
    this.#watchDeadline();
    const { pivot, pivoted } = this.ledger;
    const doom = this.#doom ?? (pivoted ? undefined : this.#late);
    if (doom !== undefined) throw doom;
    if (this.state !== 'running') throw new GrammarError(`step '${step}' was begun after the saga's body had ended`);
    const rule = this.#brokenRule(kind, step, pivot?.state === 'succeeded');
    if (rule !== undefined) {
      const broken = new GrammarError(rule);
      if (pivoted) this.#flaw ??= broken;
      else this.#doom ??= broken;
      throw broken;
    }
    if (kind !== 'forward' && this.#driver.cancelled()) {
      throw new TransactionStopped('Cancelled', `step '${step}' was not begun: a branch beside it has failed`);
    }
  }

  /** A driver's timer may be late, or what it tells may be: the clock counts. */
  #watchDeadline(): void {
    const { deadlineAt } = this.#driver;
    if (deadlineAt !== undefined && this.#driver.now() >= deadlineAt) this.stop('DeadlineExceeded');
  }

  /** The rule of the grammar that a step would break, and what to do about it. */
  #brokenRule(kind: StepKind, step: string, passed: boolean): string | undefined {
    const running = this.ledger.branches.find(({ state }) => state === 'running')?.step;
    if (this.ledger.has(step)) {
      return `step '${step}' is used twice in ${this.#driver.gid}: name each step of a saga differently`;
    }
    if (kind === 'forward' && !passed) {
      return `step '${step}' goes forward before a pivot has succeeded: await tx.pivot first, or use tx.run with an undo`;
    }
    if (kind !== 'forward' && this.ledger.pivoted) {
      return `step '${step}' comes after the pivot, where nothing is undone: use tx.forward`;
    }
    if (kind === 'pivot' && running !== undefined) {
      return `the pivot '${step}' begins while '${running}' runs: await every step before it`;
    }
    return undefined;
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
    const undone: string[] = [];
    this.#report = this.#describe(cause, 'compensating', undone);
    if (branches.length > 0) this.#enter('compensating');
    const undoOne = async (record: BranchRecord): Promise<void> => {
      if (await this.#compensate(record)) undone.push(record.step);
    };
    if (this.#options.undo === 'parallel') await Promise.all(branches.map(undoOne));
    else for (const record of branches) await undoOne(record);
    const state = undone.length === branches.length ? 'compensated' : 'failed';
    this.#report = this.#describe(cause, state, undone);
    this.#enter(state);
  }

  async #compensate(record: BranchRecord): Promise<boolean> {
    const undo: NonNullable<BranchRecord['undo']> = { state: 'running', startedAt: this.#driver.now() };
    record.undo = undo;
    try {
      const call = this.#call(record, 'compensation', 'compensation', [record.input, record.result], {});
      this.#driver.changed();
      await call;
      undo.state = 'undone';
      return true;
    } catch (error) {
      const { type, message } = await this.#judge(error);
      undo.state = 'failed';
      undo.failure = { type, message };
      return false;
    } finally {
      undo.endedAt = this.#driver.now();
      this.#driver.changed();
    }
  }

  /** Judges a failed call; what the driver will not judge breaks the run there and then: the body never goes on. */
  async #judge(error: unknown): Promise<Judgement> {
    try {
      return this.#driver.judge(error);
    } catch (defect) {
      this.#break(defect);
      return new Promise(() => undefined);
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
