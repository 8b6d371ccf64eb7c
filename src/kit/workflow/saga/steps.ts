import { GrammarError, TransactionStopped, type StepFailed } from '../failure.js';
import type { StepOptions } from './definition.js';
import type { BranchCalls } from './calls.js';
import { brokenRule } from './grammar.js';
import { keep, recall, type Kept } from './kept.js';
import type { StepKind } from './ledger.js';
import { wrongStepOption } from './options.js';
import { ignore, QUIET_TURNS, rejected } from './promises.js';
import { StepEnds, type StepsOf } from './step-ends.js';

/**
 * The steps of a saga's run, from the body's call to what it gets.
 *
 * States of a step: running → succeeded | rejected | unknown. A step that cannot be undone (the pivot, what follows it,
 * and every step of a run that settles) does not end as unknown: it goes running → parked, and a person lets it run
 * again, or says what became of it.
 */
export class Steps {
  readonly #of: StepsOf;
  readonly #calls: BranchCalls;
  readonly #ends: StepEnds;
  /** Steps that wait for the end of a pause. */
  #held = 0;
  /** Told of every step that settles. */
  readonly #onSettled = new Set<(failed?: StepFailed) => void>();

  constructor(of: StepsOf, calls: BranchCalls) {
    this.#of = of;
    this.#calls = calls;
    this.#ends = new StepEnds(of, calls, (failed) => {
      for (const onSettled of [...this.#onSettled]) onSettled(failed);
    });
  }

  /** Whether no step runs, and none is held back by a pause. */
  get isQuiet(): boolean {
    return this.#of.ledger.running === undefined && this.#held === 0;
  }

  /**
   * Waits until no step runs, and none follows at once from those that ran.
   *
   * @returns the first failure of those that were waited for
   */
  async quiet(): Promise<StepFailed | undefined> {
    let first: StepFailed | undefined;
    do {
      if (this.#of.ledger.running !== undefined) {
        const failed = await this.#settled();
        first ??= failed;
      }
      // What a pause holds back begins when it is over, or when it is cancelled.
      if (this.#held > 0) await this.#of.driver.resumed()?.catch(ignore);
      for (let turn = 0; turn < QUIET_TURNS; turn++) await Promise.resolve();
    } while (!this.isQuiet);
    return first;
  }

  /**
   * Begins a step. The worker records a stack trace for each promise of a workflow, which costs more than all else
   * here: so this is a chain of one promise a step, and not an async function.
   */
  begin<Result>(
    kind: StepKind,
    step: string,
    operation: { readonly name: string },
    input: unknown,
    options: StepOptions = {},
  ): Promise<Result> {
    const { ledger, driver } = this.#of;
    const refusal = this.#of.refusal();
    if (refusal !== undefined) return rejected(asRefused(refusal, step));
    if (kind === 'pivot' && this.#mustWait()) {
      return this.quiet().then(() => this.begin<Result>(kind, step, operation, input, options));
    }
    // What has not begun can still be cancelled.
    const resumed = kind === 'forward' ? undefined : driver.resumed();
    if (resumed !== undefined) {
      this.#held++;
      const again = () => {
        this.#held--;
        return this.begin<Result>(kind, step, operation, input, options);
      };
      return resumed.then(again, again);
    }
    let kept: Kept;
    try {
      kept = keep(input);
    } catch (error) {
      return rejected(this.#broken(`step '${step}': JSON does not carry its input: ${(error as Error).message}`));
    }
    const earlier = ledger.find(step);
    const again = earlier !== undefined && earlier.pass < ledger.pass ? earlier : undefined;
    const wrong = wrongStepOption(options);
    const rule =
      brokenRule(ledger, driver.gid, kind, step, again, kept) ??
      (wrong === undefined ? undefined : `step '${step}': ${wrong}`);
    if (rule !== undefined) return rejected(this.#broken(rule));
    if (kind !== 'forward' && driver.cancelled()) {
      return rejected(
        new TransactionStopped('Cancelled', `step '${step}' was not begun: a branch beside it has failed`),
      );
    }
    const startedAt = driver.now();
    if (again !== undefined) ledger.beginAgain(again, startedAt);
    if (again?.state === 'succeeded') return Promise.resolve(recall(again.result) as Result);
    const { name } = operation;
    const summary = options.summary ?? step;
    const record = again ?? ledger.begin({ step, kind, operation: name, summary, input: kept, options, startedAt });
    const settled: Promise<unknown> = (this.#ends.fromEarlier(record) ?? this.#calls.send(record, input)).then(
      (result) => this.#ends.succeeded(record, result),
      (error: unknown) => {
        // A body may not wait for its steps, which must not end the run.
        settled.catch(ignore);
        return this.#ends.failed(record, error);
      },
    );
    driver.changed();
    return settled as Promise<Result>;
  }

  /**
   * Runs branches side by side: when one fails the others are cancelled and waited for. Where this run may not be the only
   * one that has made calls they are only waited for: the other may have come further with one of them than this one would.
   */
  parallel(branches: readonly (() => Promise<unknown>)[]): Promise<unknown[]> {
    const { driver, verdict, settling, ledger } = this.#of;
    const group = { branches: branches.length };
    ledger.groups.add(group);
    return driver.group(async (cancel) => {
      let first: { failure: unknown } | undefined;
      const results = await Promise.all(
        branches.map(async (branch) => {
          try {
            return await branch();
          } catch (failure) {
            if (first === undefined) {
              first = { failure };
              // A run that settles looks at what every branch has done.
              if (!settling() && driver.isAlone) {
                if (failure instanceof Error) verdict.cancelling ??= failure;
                cancel();
              }
            }
            return undefined;
          }
        }),
      );
      ledger.groups.delete(group);
      if (first === undefined) return results;
      verdict.cancelling = undefined;
      throw first.failure;
    });
  }

  /** A run that settles finds branches in another order than they happened in: a pivot that was alone then waits. */
  #mustWait(): boolean {
    const { ledger, settling } = this.#of;
    return settling() && ledger.running !== undefined;
  }

  /** Waits until no step runs. @returns the first failure of those that were waited for */
  #settled(): Promise<StepFailed | undefined> {
    return new Promise((resolve) => {
      let first: StepFailed | undefined;
      const onSettled = (failed?: StepFailed) => {
        first ??= failed;
        if (this.#of.ledger.running !== undefined) return;
        this.#onSettled.delete(onSettled);
        resolve(first);
      };
      this.#onSettled.add(onSettled);
    });
  }

  /** A body that breaks a rule is undone; after the pivot the other steps go on. */
  #broken(rule: string): GrammarError {
    const broken = new GrammarError(rule);
    this.#of.verdict.broke(broken);
    return broken;
  }
}

function asRefused(refusal: Error, step: string): Error {
  return refusal instanceof GrammarError ? new GrammarError(`step '${step}': ${refusal.message}`) : refusal;
}
