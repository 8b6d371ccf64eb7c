import { leftBy, type Desk, type DeskAction, type DeskDecision } from '../desk.js';
import { GrammarError, StepFailed, TransactionStopped } from '../failure.js';
import type { SagaCall, StepOptions } from './definition.js';
import type { BranchCalls } from './calls.js';
import type { Judgement, SagaDriver } from './driver.js';
import type { Earlier } from './earlier.js';
import { brokenRule } from './grammar.js';
import { keep, recall, type Kept } from './kept.js';
import { inputOf, type BranchRecord, type Ledger, type StepKind } from './ledger.js';
import { wrongStepOption } from './options.js';
import { ignore, never, QUIET_TURNS, rejected } from './promises.js';
import { firstOp, type Ops } from './scheme.js';
import type { Verdict } from './verdict.js';

/** What the steps of a run share with it. */
export interface StepsOf {
  readonly driver: SagaDriver;
  readonly options: SagaCall;
  readonly ops: Ops;
  readonly ledger: Ledger;
  readonly verdict: Verdict;
  readonly desk: Desk;
  /** What persons decided in earlier runs. */
  readonly earlier: Earlier;
  /** Whether steps are only looked at. */
  readonly settling: () => boolean;
  /** Undefined where nothing may be decided: for a defect, and where another driver has the transaction. */
  readonly judge: (record: BranchRecord, error: unknown) => Judgement | undefined;
  /** Why no step may begin at all, if so. */
  readonly refusal: () => Error | undefined;
}

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
  /** Steps that wait for the end of a pause. */
  #held = 0;
  /** Told of every step that settles. */
  readonly #onSettled = new Set<(failed?: StepFailed) => void>();

  constructor(of: StepsOf, calls: BranchCalls) {
    this.#of = of;
    this.#calls = calls;
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
    const settled: Promise<unknown> = (this.#fromEarlier(record) ?? this.#calls.send(record, input)).then(
      (result) => this.#succeeded(record, result),
      (error: unknown) => {
        // A body may not wait for its steps, which must not end the run.
        settled.catch(ignore);
        return this.#failed(record, error);
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

  /** A step of which persons decided in an earlier run: ended as they said, or begun where they left it. */
  #fromEarlier(record: BranchRecord): Promise<unknown> | undefined {
    const { earlier } = this.#of;
    const { step, kind } = record;
    record.renewals = Math.max(record.renewals, earlier.renewalsOf(step));
    record.corrected ??= earlier.correctionOf(step, 'first');
    const before = earlier.endOf(step, 'first');
    if (before?.action === 'resolve') return Promise.resolve(before.result);
    // Anything else that was skipped was barred: its guard knows.
    if (before === undefined || kind !== 'forward') return undefined;
    return Promise.reject(new LeftByPerson(before));
  }

  #succeeded(record: BranchRecord, result: unknown): unknown {
    const { ledger, driver } = this.#of;
    ledger.succeed(record, result, driver.now());
    driver.changed();
    this.#tell();
    // The body gets what it would get from elsewhere.
    return driver.sharesMemory === true ? recall(record.result) : result;
  }

  /** Decides what becomes of a step whose call failed: the body's error, or a case for a person. */
  #failed(record: BranchRecord, error: unknown): unknown {
    if (error instanceof LeftByPerson) {
      return this.#fail(record, { knowledge: 'unknown', ...leftBy(error.decision) }, undefined);
    }
    const judgement = this.#judge(record, error);
    if (judgement === undefined) {
      this.#tell();
      return never();
    }
    // No body needs a vote: the others are committed, and what this one lacks is told by its commit.
    if (this.#isLost(record, judgement) && this.#of.ops.decidesOnce) return this.#succeeded(record, undefined);
    this.#of.refusal(); // Whether the deadline has passed meanwhile.
    if (this.#mustPark(record, judgement)) return this.#park(record, judgement, error);
    return this.#end(record, judgement, error);
  }

  /** Ends a step by a definite answer that is no success, or by an unknown outcome that is undone. */
  #end(record: BranchRecord, judgement: Judgement, error: unknown): unknown {
    const { settled } = judgement;
    if (settled?.kind !== 'undone') return this.#fail(record, judgement, error);
    // It happened, and was undone since. What it gave is needed to find what came after it.
    this.#of.verdict.missing(new StepFailed(record.step, 'rejected', judgement));
    this.#of.ledger.foundUndone(record, this.#of.driver.now());
    return this.#succeeded(record, settled.result);
  }

  /**
   * Undefined where nothing may be decided. That a branch was done with another input proves that it was done, if there has
   * been another input; and where others may have made calls for this transaction, as another release or a body that is not
   * the same twice gives another one.
   */
  #judge(record: BranchRecord, error: unknown): Judgement | undefined {
    const judgement = this.#of.judge(record, error);
    if (judgement?.mismatch !== true) return judgement;
    return this.#calls.isLookedAt(record) || record.corrected !== undefined || !this.#of.driver.isAlone
      ? { ...judgement, knowledge: 'unknown' }
      : judgement;
  }

  #mustPark(record: BranchRecord, judgement: Judgement): boolean {
    const { knowledge } = judgement;
    const { kind, options } = record;
    if (this.#isLost(record, judgement)) return true;
    if (kind === 'forward') return knowledge === 'unknown' || options.onRejected !== 'throw';
    return knowledge === 'unknown' && (kind === 'pivot' || this.#calls.isLookedAt(record));
  }

  /** It was decided that all of it stands, and what this step did is not there any more: that decision is not turned round. */
  #isLost({ kind }: BranchRecord, { settled }: Judgement): boolean {
    return kind === 'step' && settled !== undefined && this.#of.options.settle?.confirm === true;
  }

  /** Records what is known of a step that failed for good, and fails it for the body. */
  #fail(record: BranchRecord, judgement: Judgement, cause: unknown): never {
    const { ledger, driver, verdict } = this.#of;
    ledger.fail(record, judgement, driver.now());
    driver.changed();
    const failed = new StepFailed(record.step, judgement.knowledge, judgement, cause);
    if (judgement.settled !== undefined) verdict.missing(failed);
    else if (judgement.knowledge === 'unknown') verdict.unknown(record, failed);
    else if (judgement.suspended && record.kind !== 'forward') verdict.suspended(failed);
    this.#tell(failed);
    throw failed;
  }

  #tell(failed?: StepFailed): void {
    for (const onSettled of [...this.#onSettled]) onSettled(failed);
  }

  /** Lets a person say what becomes of a step that cannot be undone, until it is definite. */
  async #park(record: BranchRecord, judgement: Judgement, error: unknown): Promise<unknown> {
    const { desk, driver } = this.#of;
    let last = { judgement, error };
    for (;;) {
      const { type, message, knowledge } = last.judgement;
      const isLost = this.#isLost(record, last.judgement);
      const renews = knowledge === 'rejected' && !isLost;
      record.state = 'parked';
      record.failure = { type, message };
      const order = await desk.park({
        ...{ branch: record.step, op: firstOp(this.#of.ops, record.kind), operation: record.operation },
        summary: record.summary,
        ...{ input: recall(inputOf(record)), failure: { type, message }, fits: () => (isLost ? FITS_LOST : FITS) },
        // What may have happened keeps its input: another one would only hide it.
        ...{ takesInput: renews, renews },
      });
      if (order === undefined) return never(); // Nothing else can happen to a run that goes forward.
      if (order.action === 'resolve') return this.#succeeded(record, order.result);
      record.state = 'running';
      driver.changed();
      try {
        if (order.action === 'skip') {
          if (record.kind === 'forward') {
            return this.#fail(record, { knowledge: last.judgement.knowledge, ...leftBy(order) }, last.error);
          }
          // Nothing is left open: it is barred, unless it happened after all.
          return this.#succeeded(record, await this.#calls.again(record, 'settle'));
        }
        if (renews) record.renewals++;
        if ('input' in order) record.corrected = { input: keep(order.input) };
        return this.#succeeded(record, await this.#calls.again(record));
      } catch (failure) {
        if (failure instanceof StepFailed) throw failure;
        const judged = this.#judge(record, failure);
        if (judged === undefined) return never();
        // A person has seen it, and leaves it.
        if (order.action === 'skip' && judged.mismatch) return this.#fail(record, judged, failure);
        if (!this.#mustPark(record, judged)) return this.#end(record, judged, failure);
        last = { judgement: judged, error: failure };
      }
    }
  }

  /** A body that breaks a rule is undone; after the pivot the other steps go on. */
  #broken(rule: string): GrammarError {
    const broken = new GrammarError(rule);
    this.#of.verdict.broke(broken);
    return broken;
  }
}

const FITS: readonly DeskAction[] = ['retry', 'resolve', 'skip'];
/** What is lost cannot be left so before the others are confirmed: its confirm can. */
const FITS_LOST: readonly DeskAction[] = ['retry', 'resolve'];

/** A person left a step as it is, in an earlier run. */
class LeftByPerson extends Error {
  readonly decision: DeskDecision;
  constructor(decision: DeskDecision) {
    super();
    this.decision = decision;
  }
}

function asRefused(refusal: Error, step: string): Error {
  return refusal instanceof GrammarError ? new GrammarError(`step '${step}': ${refusal.message}`) : refusal;
}
