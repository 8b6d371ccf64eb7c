import type { Scheme, TransactionState } from '../branch.js';
import type { Desk } from '../desk.js';
import { GrammarError, MetDriver, StepFailed, TransactionStopped, type TransactionReport } from '../failure.js';
import type { AppliedStep } from '../fate.js';
import { participantOf } from '../participant.js';
import { BranchCalls } from './calls.js';
import type { ConfirmingTx, RunBody, SagaCall, StepOptions } from './definition.js';
import type { Judgement, SagaDriver } from './driver.js';
import { Ending } from './ending.js';
import { Ledger, type BranchRecord, type StepKind } from './ledger.js';
import { never } from './promises.js';
import { describeCause } from './report.js';
import { SAGA, type Ops } from './scheme.js';
import { Steps } from './steps.js';
import { endOf, Verdict } from './verdict.js';

/** How a run ended: {@link SagaRun.report} says what was undone. */
export type SagaOutcome<Result> = { committed: true; result: Result } | { committed: false; cause: unknown };

/**
 * One run of a saga, whoever drives it.
 *
 * States: `running` → `committed`, or `running` → `compensating` → `compensated` | `failed`; `running` → `failed` when
 * something after the pivot cannot be done. `stuck` while a branch waits for a person, from where it goes back to what
 * it was. `failed` is left only by a person's word, or by a defect of the body after the pivot.
 *
 * Transitions:
 * - The body runs. Each step is recorded before it is called, and what is known of it when it settled.
 * - A step whose outcome is unknown, a broken rule of the grammar, the deadline and a cancellation *doom* the run: no
 *   further step is begun, whatever the body does. A rejected step does not: a body may catch it and try another way.
 * - After the pivot was scheduled nothing dooms it. The pivot and what follows it are asked until their outcome is
 *   definite, and wait for a person where that takes longer than their window.
 * - When the body has ended and every step has settled, the run is decided once: committed if the body returned and
 *   nothing speaks against it; forward only (so failed, with nothing undone) if the pivot may have happened; else undone.
 * - The undo asks every branch that happened or may have happened. One that keeps failing waits for a person, who may
 *   also give up the undo while nothing of it was done: then the body runs again, and what had succeeded stays.
 * - A run that *settles* (its first run was terminated) looks at every step that the body names: what was applied
 *   counts, what was not is barred; what persons had decided stays so, as no guard knows what they did. It commits if all
 *   was applied or the pivot was, unless the first run had begun to undo; it undoes otherwise, and never what was decided to stand.
 *   A scheme that decides once is not looked at: it stands if that was decided, and is undone otherwise.
 * - Where others may have made calls for the transaction (a task of the workflow that was lost, in the lean lane; the
 *   process that drove it before), a run that is doomed looks at every step in the same way before it undoes: steps may be
 *   applied that this run knows nothing of.
 *
 * Invariant: at the end of a run every branch before the pivot has its effect exactly once (committed), or is undone or
 * barred (compensated), or is named in the report with the person who left it so (failed).
 */
export class SagaRun<Input, Result> {
  readonly ledger: Ledger;
  readonly #verdict: Verdict;
  readonly #driver: SagaDriver;
  readonly #options: SagaCall;
  readonly #ops: Ops;
  readonly #steps: Steps;
  readonly #ending: Ending;
  /** Whether steps are only looked at: what was applied counts, what was not is barred. */
  #settling: boolean;
  /** Set when a person forced the transaction forward: neither deadline nor cancellation stop it any more. */
  #forced = false;
  /** Whether the body has thrown: what it left behind begins nothing more. */
  #threw = false;
  /** Ends the run with an error of the driver or the worker, not of a participant: nothing may be decided on it. */
  #break: (defect: unknown) => void = () => undefined;

  /** @param ops what the operations of its scheme are called */
  constructor(driver: SagaDriver, options: SagaCall, ops: Ops = SAGA) {
    this.#driver = driver;
    this.#options = options;
    this.#ops = ops;
    const ledger = (this.ledger = new Ledger(ops));
    this.#verdict = new Verdict(ledger, () => this.#settling);
    const { settle } = options;
    this.#settling = settle !== undefined;
    if (settle?.undo === true) this.#verdict.missing(endOf(settle));
    const settling = () => this.#settling;
    const calls = new BranchCalls(driver, options, ops, settling);
    const judge = (record: BranchRecord, error: unknown) => this.#judge(record, error);
    this.#ending = new Ending({ driver, options, ops, ledger, calls, judge });
    const { desk, earlier } = this.#ending;
    const refusal = () => this.#refusal();
    const of = { driver, options, ops, ledger, verdict: this.#verdict, desk, earlier, settling, judge, refusal };
    this.#steps = new Steps(of, calls);
  }

  get state(): TransactionState {
    return this.#ending.state;
  }

  get desk(): Desk {
    return this.#ending.desk;
  }

  get scheme(): Scheme {
    return this.#ops.scheme;
  }

  /** Why the transaction is not committed, from the moment that this is decided. */
  get report(): TransactionReport | undefined {
    return this.#ending.report;
  }

  /** Lets no further step begin, unless the pivot was scheduled. The caller cancels what is running. */
  stop(type: 'Cancelled' | 'DeadlineExceeded', why = 'the transaction was cancelled by a request'): void {
    // What settles must look at every step.
    if (this.#forced || this.#settling) return;
    this.#verdict.stop(new TransactionStopped(type, type === 'Cancelled' ? why : this.#driver.overdue()));
  }

  /** Says why the transaction cannot be stopped any more, if so. */
  get beyondStop(): string | undefined {
    if (this.#settling) return 'it is being settled';
    const { phase } = this.#ending;
    if (phase !== 'running') return `it is ${phase}`;
    // A scheme that decides in a phase of its own may ask a single participant for all: that is under way, and can be stopped.
    const { pivot, pivoted } = this.ledger;
    const isSingle = this.#ops.confirm !== undefined && pivot?.state === 'running';
    if (this.#forced || (pivoted && !isSingle)) return 'it is past its pivot, or was forced forward';
    return undefined;
  }

  /**
   * Runs the body to its decision, and the undo if that is the decision.
   *
   * @throws only a defect that the driver would not judge; nothing is decided then
   * @returns the body's result if committed, else the first error; {@link report} then says what was undone
   */
  execute(body: RunBody<Input, Result>, input: Input): Promise<SagaOutcome<Result>> {
    return new Promise((resolve, reject) => {
      this.#break = reject;
      this.#decide(body, input).then(resolve, reject);
    });
  }

  /**
   * After {@link execute} has thrown, as the transaction turned out to be another one's: undoes what this run has done of
   * itself. {@link report} then says what was undone; it is absent if there was nothing.
   */
  giveUp(cause: Error): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#break = reject;
      this.#retreat(cause).then(resolve, reject);
    });
  }

  async #retreat(cause: Error): Promise<void> {
    this.#verdict.broke(cause);
    await this.#driver.shielded(() => this.#steps.quiet());
    if (this.ledger.pivoted) this.#ending.fail(cause);
    else if (this.ledger.toUndo.length > 0) await this.#driver.shielded(() => this.#ending.undo(cause));
  }

  /**
   * After {@link execute} has met the end of the transaction: what was begun of it since, in a database that knew nothing of that
   * end, as a release before had another first step. No program knows whether it belongs to that end, so a person decides.
   */
  async decideBegunAnew(): Promise<void> {
    await this.#driver.shielded(() => this.#steps.quiet());
    await this.#ending.decideBegunAnew();
  }

  /** See {@link Ending.decideUnknown}. */
  decideUnknown(applied: readonly AppliedStep[], failed?: { readonly cause: unknown }): Promise<void> {
    return this.#ending.decideUnknown(applied, failed);
  }

  /** Ends the run with nothing decided: the body never goes on, and {@link execute} throws this. */
  breakOff(why: Error): void {
    this.#break(why);
  }

  async #decide(body: RunBody<Input, Result>, input: Input): Promise<SagaOutcome<Result>> {
    let outcome: { result: Result } | { thrown: unknown };
    this.#threw = false;
    try {
      const tx = this.#tx();
      // Nothing cancels a body that looks at what happened, or that a person forced forward.
      const isFirst = this.ledger.pass === 1 && !this.#settling;
      outcome = { result: await (isFirst ? body(tx, input) : this.#driver.shielded(() => body(tx, input))) };
    } catch (thrown) {
      this.#driver.threw?.(thrown);
      outcome = { thrown };
      this.#threw = true;
    }
    // A body may end before its steps have: they are waited for, with what follows them, and what they fail with is its
    // failure.
    if (this.ledger.loose || !this.#steps.isQuiet) {
      const failed = await this.#driver.shielded(() => this.#steps.quiet());
      if (failed && 'result' in outcome) outcome = { thrown: failed };
    }
    if ('result' in outcome && this.#ops.confirm !== undefined && !this.ledger.confirming) {
      const failed = await this.#confirm();
      if (failed !== undefined) outcome = { thrown: failed };
    }
    const reason = this.#objection();
    if ('result' in outcome && reason === undefined) {
      this.#ending.enter('committed');
      return { committed: true, result: outcome.result };
    }
    const cause = this.#causeOf(reason ?? (outcome as { thrown: unknown }).thrown);
    if (this.#mustLook(cause)) {
      this.#look(cause);
      return this.#decide(body, input);
    }
    // The body may be another one by now: what it has named, and was decided to stand, stands.
    if (this.#wasConfirming && !this.ledger.confirming) await this.#driver.shielded(() => this.#ending.confirm());
    if (this.ledger.pivoted || this.#wasConfirming) {
      this.#ending.fail(cause);
      return { committed: false, cause };
    }
    const asked = this.#driver.undoing?.(describeCause(cause));
    if (asked !== undefined) await asked;
    if ((await this.#driver.shielded(() => this.#ending.undo(cause))) === 'undone') return { committed: false, cause };
    this.#forceForward();
    return this.#decide(body, input);
  }

  /** Why the run must not commit, though its body may have returned. */
  #objection(): Error | undefined {
    const { forgotten } = this.ledger;
    if (forgotten !== undefined) {
      this.#verdict.broke(new GrammarError(`step '${forgotten.step}' happened, and the body did not come to it again`));
    }
    return this.#verdict.reason;
  }

  /**
   * Decides that all that was begun stands, unless something speaks against it, and confirms it: that is this scheme's pivot.
   *
   * @returns why it does not stand, or the first branch that a person left unconfirmed
   */
  async #confirm(): Promise<Error | undefined> {
    const failed = await this.#driver.shielded(() => this.#steps.quiet());
    const objection = this.#refusal() ?? this.#objection() ?? failed;
    if (objection !== undefined) return objection;
    const left = await this.#driver.shielded(() => this.#ending.confirm());
    if (left !== undefined) this.#verdict.broke(left);
    return left;
  }

  /** What a run that settles undoes is due to the end of its first run. */
  #causeOf(cause: unknown): unknown {
    const { settle } = this.#options;
    return settle === undefined || this.ledger.pivoted || this.#wasConfirming ? cause : endOf(settle);
  }

  /** Whether a run before had decided that all of it stands: what this one objects to cannot be undone any more. */
  get #wasConfirming(): boolean {
    return this.#options.settle?.confirm !== undefined;
  }

  #tx(): ConfirmingTx {
    const steps = this.#steps;
    const { pass } = this.ledger;
    const begin =
      (kind: StepKind) => (step: string, operation: { name: string }, input: unknown, options?: StepOptions) =>
        // What an earlier run of the body left behind begins nothing.
        pass === this.ledger.pass ? steps.begin<never>(kind, step, operation, input, options) : never();
    return {
      gid: this.#driver.gid,
      run: begin('step'),
      pivot: begin('pivot'),
      forward: begin('forward'),
      parallel: (...branches) => steps.parallel(branches) as never,
      confirm: async () => {
        if (pass !== this.ledger.pass) return never();
        const failed = this.ledger.confirming ? this.#confirmedTwice() : await this.#confirm();
        if (failed !== undefined) throw failed;
      },
    };
  }

  #confirmedTwice(): Error {
    const rule = new GrammarError('all was confirmed before: await tx.confirm once');
    this.#verdict.broke(rule);
    return rule;
  }

  /** Why no step may begin at all, if so. */
  #refusal(): Error | undefined {
    // A driver's timer may be late, or what it tells may be: the clock counts.
    const { deadlineAt } = this.#driver;
    if (deadlineAt !== undefined && this.#driver.now() >= deadlineAt) this.stop('DeadlineExceeded');
    const { barrier } = this.#verdict;
    if (barrier !== undefined) return barrier;
    // What settles looks at everything that the body names.
    const mayBegin = this.#ending.phase === 'running' && (this.#settling || !this.#threw);
    return mayBegin ? undefined : new GrammarError("it was begun after the saga's body had ended");
  }

  /**
   * Where another may have made calls for this transaction (in the lean lane a task of the workflow that was lost with all
   * that it had done; the caller's process, before a workflow took over) this run does not know of all steps that were
   * applied, or still may be. A definite no lies on the way of both, if one step follows the other; after anything else they
   * are looked for.
   *
   * A run that is stopped before it has asked for a step does not know either whether another driver has the transaction: it
   * would have met it there, or barred it.
   */
  #mustLook(cause: unknown): boolean {
    if (this.#settling || this.ledger.pivoted) return false;
    if (this.#driver.isAlone) return this.ledger.branches.length === 0 && cause instanceof TransactionStopped;
    return this.ledger.overlapped || !(cause instanceof StepFailed && cause.knowledge === 'rejected');
  }

  /** The body runs again, and looks at every step; it commits only if the pivot is found to have happened. */
  #look(cause: unknown): void {
    this.#settling = true;
    this.#verdict.clear();
    this.#verdict.missing(cause instanceof Error ? cause : new Error(String(cause)));
    this.ledger.nextPass();
  }

  /** A person gave up the undo: the body runs again, and what stopped it does not count any more. */
  #forceForward(): void {
    this.#forced = true;
    this.#settling = false;
    this.#verdict.clear();
    this.ledger.nextPass();
    this.#ending.revoke();
  }

  /**
   * Judges a failed call; what the driver will not judge breaks the run there and then, and so does another driver that was met:
   * the body never goes on.
   */
  #judge(record: BranchRecord, error: unknown): Judgement | undefined {
    const { operation } = record;
    try {
      const judgement = this.#driver.judge(error);
      if (judgement.met === undefined) return judgement;
      // Nothing of it happened by this call.
      if (record.state === 'running') this.ledger.fail(record, judgement, this.#driver.now());
      this.#break(new MetDriver(participantOf(operation), judgement.met.fate));
    } catch (defect) {
      this.#break(defect);
    }
    return undefined;
  }
}
