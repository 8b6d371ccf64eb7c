import type { Branch, Op } from '../branch.js';
import { leftBy, type Desk, type DeskAction } from '../desk.js';
import { GrammarError, StepFailed, TransactionStopped } from '../failure.js';
import type { SagaCall, StepOptions } from './definition.js';
import type { CallProfile, Judgement, SagaDriver } from './driver.js';
import { brokenRule } from './grammar.js';
import { keep, recall, type Kept } from './kept.js';
import type { BranchRecord, Ledger, StepKind } from './ledger.js';
import { wrongStepOption } from './options.js';
import { ignore, never, rejected } from './promises.js';
import type { Verdict } from './verdict.js';

/** What the steps of a run share with it. */
export interface StepsOf {
  readonly driver: SagaDriver;
  readonly options: SagaCall;
  readonly ledger: Ledger;
  readonly verdict: Verdict;
  readonly desk: Desk;
  /** Whether steps are only looked at. */
  readonly settling: () => boolean;
  /** Undefined for a defect, on which nothing may be decided. */
  readonly judge: (error: unknown) => Judgement | undefined;
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
  /** Told of every step that settles. */
  readonly #onSettled = new Set<(failed?: StepFailed) => void>();

  constructor(of: StepsOf) {
    this.#of = of;
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
      for (let turn = 0; turn < TURNS; turn++) await Promise.resolve();
    } while (this.#of.ledger.running !== undefined);
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
    const settled: Promise<unknown> = this.#send(record, input).then(
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
   * Runs branches side by side: when one fails the others are cancelled and waited for. In the lean lane they are only
   * waited for: a task that was lost may have come further with one of them than this run would.
   */
  parallel(branches: readonly (() => Promise<unknown>)[]): Promise<unknown[]> {
    const { driver, verdict, settling, ledger, options } = this.#of;
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
              if (!settling() && options.lane !== 'lean') {
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

  /** Asks a branch to undo, for one window. */
  undo(record: BranchRecord, args: unknown[]): Promise<unknown> {
    const op = record.options.amends === true ? 'amends' : 'compensation';
    return this.#call(record, op, 'compensation', args, { timeout: record.options.timeout });
  }

  #send(record: BranchRecord, input: unknown): Promise<unknown> {
    const { retries } = this.#of.options;
    const { options } = record;
    const withRetries = retries === undefined || options.retries !== undefined ? options : { ...options, retries };
    try {
      return this.#call(record, 'action', this.#profileOf(record), [input], withRetries);
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Whether it is looked at what became of a step, instead of doing it. */
  #isLookedAt({ kind, verify }: BranchRecord): boolean {
    return kind !== 'forward' && (verify === true || this.#of.settling());
  }

  #profileOf(record: BranchRecord): CallProfile {
    const { kind } = record;
    if (kind === 'forward') return 'forward';
    if (this.#isLookedAt(record)) return 'settle';
    return kind === 'step' ? 'action' : 'pivot';
  }

  #call(record: BranchRecord, op: Op, profile: CallProfile, args: unknown[], options: StepOptions): Promise<unknown> {
    const { operation, summary } = record;
    return this.#of.driver.call({
      branch: this.#branch(record, op, profile),
      operation,
      profile,
      args,
      summary: op === 'action' ? (profile === 'settle' ? `settle: ${summary}` : summary) : `undo: ${summary}`,
      options,
    });
  }

  #branch(record: BranchRecord, op: Op, profile: CallProfile): Branch {
    const { step, seq, state, corrected, renewals } = record;
    const branch: Branch = {
      gid: this.#of.driver.gid,
      // A definite no stays what it is: a branch that is begun anew after it has a name of its own.
      branch: renewals === 0 ? step : `${step}~${renewals + 1}`,
      op,
      scheme: 'saga',
      seq,
    };
    if (profile === 'settle') return { ...branch, settle: true };
    if (op === 'action') return branch;
    return {
      ...branch,
      ...(state === 'succeeded' && { succeeded: true }),
      ...(corrected !== undefined && { corrected: true }),
    };
  }

  #succeeded(record: BranchRecord, result: unknown): unknown {
    const { ledger, driver } = this.#of;
    ledger.succeed(record, result, driver.now());
    driver.changed();
    this.#tell();
    return result;
  }

  /** Decides what becomes of a step whose call failed: the body's error, or a case for a person. */
  #failed(record: BranchRecord, error: unknown): unknown {
    const judgement = this.#of.judge(error);
    if (judgement === undefined) return never();
    this.#of.refusal(); // Whether the deadline has passed meanwhile.
    const { settled } = judgement;
    if (settled?.kind === 'undone') {
      // It happened, and was undone since. What it gave is needed to find what came after it.
      this.#of.verdict.missing(new StepFailed(record.step, 'rejected', judgement));
      this.#of.ledger.foundUndone(record, this.#of.driver.now());
      return this.#succeeded(record, settled.result);
    }
    if (this.#mustPark(record, judgement)) return this.#park(record, judgement, error);
    return this.#fail(record, judgement, error);
  }

  #mustPark(record: BranchRecord, { knowledge }: Judgement): boolean {
    const { kind, options } = record;
    if (kind === 'forward') return knowledge === 'unknown' || options.onRejected !== 'throw';
    return knowledge === 'unknown' && (kind === 'pivot' || this.#isLookedAt(record));
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
    const { desk, driver, judge } = this.#of;
    let last = { judgement, error };
    for (;;) {
      const { type, message } = last.judgement;
      record.state = 'parked';
      record.failure = { type, message };
      const order = await desk.park({
        ...{ branch: record.step, op: 'action', operation: record.operation, summary: record.summary },
        ...{ input: recall(record.corrected?.input ?? record.input), failure: { type, message }, fits: () => FITS },
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
          return this.#succeeded(record, await this.#call(record, 'action', 'settle', [recall(record.input)], {}));
        }
        if (last.judgement.knowledge === 'rejected') record.renewals++;
        if ('input' in order) record.corrected = { input: keep(order.input) };
        const input = recall(record.corrected?.input ?? record.input);
        return this.#succeeded(record, await this.#call(record, 'action', this.#profileOf(record), [input], {}));
      } catch (failure) {
        if (failure instanceof StepFailed) throw failure;
        const judged = judge(failure);
        if (judged === undefined) return never();
        if (!this.#mustPark(record, judged)) return this.#fail(record, judged, failure);
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

/** Turns of the queue of promises in which a body begins what follows. */
const TURNS = 20;

const FITS: readonly DeskAction[] = ['retry', 'resolve', 'skip'];

function asRefused(refusal: Error, step: string): Error {
  return refusal instanceof GrammarError ? new GrammarError(`step '${step}': ${refusal.message}`) : refusal;
}
