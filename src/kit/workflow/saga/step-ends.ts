import { leftBy, type Desk, type DeskAction, type DeskDecision } from '../desk.js';
import { StepFailed } from '../failure.js';
import type { BranchCalls } from './calls.js';
import type { SagaCall } from './definition.js';
import type { Judgement, SagaDriver } from './driver.js';
import type { Earlier } from './earlier.js';
import { keep, recall } from './kept.js';
import { inputOf, type BranchRecord, type Ledger } from './ledger.js';
import { never } from './promises.js';
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
 * What becomes of a step whose call has ended: the body's result or error, or a case for a person, until it is definite.
 *
 * A step is parked where nothing may be left unknown (the pivot, what follows it, what is only looked at), and where it was decided that
 * all stands and what the step did is lost: nobody but a person can tell what to do then.
 */
export class StepEnds {
  readonly #of: StepsOf;
  readonly #calls: BranchCalls;
  readonly #tell: (failed?: StepFailed) => void;

  /** @param tell told of every step that has settled */
  constructor(of: StepsOf, calls: BranchCalls, tell: (failed?: StepFailed) => void) {
    this.#of = of;
    this.#calls = calls;
    this.#tell = tell;
  }

  /** A step of which persons decided in an earlier run: ended as they said, or begun where they left it. */
  fromEarlier(record: BranchRecord): Promise<unknown> | undefined {
    const { earlier } = this.#of;
    const { step, kind } = record;
    record.renewals = Math.max(record.renewals, earlier.renewalsOf(step));
    record.corrected ??= earlier.correctionOf(step, 'first');
    const before = earlier.endOf(step, 'first');
    if (before?.action === 'resolve') {
      const { result } = before;
      return this.#calls.asksBeforeEarlier(record) ? this.#orAsSaid(record, result) : Promise.resolve(result);
    }
    // Anything else that was skipped was barred: its guard knows.
    if (before !== undefined && kind === 'forward') return Promise.reject(new LeftByPerson(before));
    return kind === 'step' ? this.#fromDecision() : undefined;
  }

  /** What is found of a step, or else what a person has said of it. */
  async #orAsSaid(record: BranchRecord, said: unknown): Promise<unknown> {
    try {
      return await this.#calls.lookAgain(record);
    } catch (error) {
      if (this.#judge(record, error) === undefined) throw error;
      return said;
    }
  }

  /**
   * Where it is decided once, nothing is looked at: to look at one that is silent would hold up the others, and a commit or a rollback
   * tells by itself what is lost. Where no commit was asked, none can have been done, so that rollback may be decided at any time.
   */
  #fromDecision(): Promise<unknown> | undefined {
    const { ops, options } = this.#of;
    const { settle } = options;
    if (!ops.decidesOnce || settle === undefined) return undefined;
    return settle.confirm === undefined ? Promise.reject(new NotLookedAt(settle.reason)) : Promise.resolve(undefined);
  }

  succeeded(record: BranchRecord, result: unknown): unknown {
    const { ledger, driver } = this.#of;
    ledger.succeed(record, result, driver.now());
    driver.changed();
    this.#tell();
    // The body gets what it would get from elsewhere.
    return driver.sharesMemory === true ? recall(record.result) : result;
  }

  /** Decides what becomes of a step whose call failed: the body's error, or a case for a person. */
  failed(record: BranchRecord, error: unknown): unknown {
    if (error instanceof LeftByPerson) {
      return this.#fail(record, { knowledge: 'unknown', ...leftBy(error.decision) }, undefined);
    }
    if (error instanceof NotLookedAt) {
      return this.#fail(record, { knowledge: 'unknown', type: 'Terminated', message: error.message }, undefined);
    }
    const judgement = this.#judge(record, error);
    if (judgement === undefined) {
      this.#tell();
      return never();
    }
    // A person has made good what was lost.
    if (this.#isLost(record, judgement) && this.#of.earlier.endOf(record.step, 'confirm') !== undefined) {
      return this.succeeded(record, judgement.settled?.kind === 'undone' ? judgement.settled.result : undefined);
    }
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
    return this.succeeded(record, settled.result);
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

  /** It was decided that this step stands, and what it did is not there any more: that decision is not turned round. */
  #isLost(record: BranchRecord, { settled }: Judgement): boolean {
    return settled !== undefined && this.#wasConfirming(record);
  }

  /** Whether a run before has asked for the confirm of this step. */
  #wasConfirming({ step }: BranchRecord): boolean {
    const asked = this.#of.options.settle?.confirm ?? [];
    // One that was begun anew has a number after its name.
    return asked.some((branch) => branch === step || branch.startsWith(`${step}~`));
  }

  /** Records what is known of a step that failed for good, and fails it for the body. */
  #fail(record: BranchRecord, judgement: Judgement, cause: unknown): never {
    const { ledger, driver, verdict, options } = this.#of;
    ledger.fail(record, judgement, driver.now());
    driver.changed();
    const failed = new StepFailed(record.step, judgement.knowledge, judgement, cause);
    if (judgement.settled !== undefined) {
      // Where it was decided that all stands, one that is not part of that was never begun, or was refused.
      if (options.settle?.confirm === undefined) verdict.missing(failed);
    } else if (judgement.knowledge === 'unknown') verdict.unknown(record, failed);
    else if (judgement.suspended && record.kind !== 'forward') verdict.suspended(failed);
    this.#tell(failed);
    throw failed;
  }

  /** Lets a person say what becomes of a step that cannot be undone, until it is definite. */
  async #park(record: BranchRecord, judgement: Judgement, error: unknown): Promise<unknown> {
    const { desk, driver, ops } = this.#of;
    let last = { judgement, error };
    for (;;) {
      const { type, message, knowledge } = last.judgement;
      const isLost = this.#isLost(record, last.judgement);
      const stands = this.#wasConfirming(record);
      const renews = knowledge === 'rejected' && !isLost;
      record.state = 'parked';
      const failure = { type, message: isLost ? `${LOST}: ${message}` : message };
      record.failure = failure;
      const order = await desk.park({
        ...{ branch: record.step, op: firstOp(this.#of.ops, record.kind), operation: record.operation },
        summary: record.summary,
        ...{ input: recall(inputOf(record)), failure, fits: () => (stands ? FITS_STANDING : FITS) },
        // What may have happened keeps its input: another one would only hide it.
        ...{ takesInput: renews, renews },
      });
      if (order === undefined) return never(); // Nothing else can happen to a run that goes forward.
      if (order.action === 'resolve' && !this.#calls.asksBeforeResolve(record)) {
        return this.succeeded(record, order.result);
      }
      record.state = 'running';
      driver.changed();
      try {
        if (order.action === 'skip') {
          if (record.kind === 'forward') {
            return this.#fail(record, { knowledge: last.judgement.knowledge, ...leftBy(order) }, last.error);
          }
          // Nothing is left open: it is barred, unless it happened after all.
          return this.succeeded(record, await this.#calls.lookAgain(record));
        }
        // What was done by hand is not done a second time: it is barred. If it happened after all, what it gave counts.
        if (order.action === 'resolve') return this.succeeded(record, await this.#calls.lookAgain(record));
        if (renews) record.renewals++;
        if ('input' in order) record.corrected = { input: keep(order.input) };
        return this.succeeded(record, await this.#calls.again(record));
      } catch (failure) {
        if (failure instanceof StepFailed) throw failure;
        const judged = this.#judge(record, failure);
        if (judged === undefined) return never();
        // It is not there, or there is no answer: the person's word counts.
        if (order.action === 'resolve') return this.succeeded(record, order.result);
        // A person has seen it, and leaves it.
        if (order.action === 'skip' && judged.mismatch) return this.#fail(record, judged, failure);
        if (order.action === 'skip' && ops.looksAtPivot === true && judged.knowledge === 'unknown') {
          return this.#fail(record, { knowledge: 'unknown', ...leftBy(order) }, failure);
        }
        if (!this.#mustPark(record, judged)) return this.#end(record, judged, failure);
        last = { judgement: judged, error: failure };
      }
    }
  }
}

const FITS: readonly DeskAction[] = ['retry', 'resolve', 'skip'];
/** What was decided to stand cannot be left before the others are confirmed: its confirm can. */
const FITS_STANDING: readonly DeskAction[] = ['retry', 'resolve'];
const LOST = 'it was decided to confirm it, and what it held is not there any more';

/** It is undone without a look. */
class NotLookedAt extends Error {}

/** A person left a step as it is, in an earlier run. */
class LeftByPerson extends Error {
  readonly decision: DeskDecision;
  constructor(decision: DeskDecision) {
    super();
    this.decision = decision;
  }
}
