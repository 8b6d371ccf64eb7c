import type { TransactionState } from '../branch.js';
import { Desk, type DeskCase } from '../desk.js';
import { StepFailed, TransactionStopped, type FailureNote, type TransactionReport } from '../failure.js';
import { homesOf, type AppliedStep } from '../fate.js';
import { participantOf } from '../participant.js';
import type { BranchCalls } from './calls.js';
import type { SagaCall } from './definition.js';
import type { Judgement, SagaDriver } from './driver.js';
import { Earlier } from './earlier.js';
import type { BranchRecord, Ledger } from './ledger.js';
import { confirmBranches } from './confirm.js';
import { reportOf } from './report.js';
import type { Ops } from './scheme.js';
import { undoBranches, type UndoOf } from './undo.js';

/** The state of a run, but for what waits at the desk. */
export type Phase = Exclude<TransactionState, 'stuck'>;

/** What an ending needs of its run. */
export interface EndingOf {
  readonly driver: SagaDriver;
  readonly options: SagaCall;
  readonly ops: Ops;
  readonly ledger: Ledger;
  readonly calls: BranchCalls;
  readonly judge: (record: BranchRecord, error: unknown) => Judgement | undefined;
}

/**
 * The state of a run, and the way from the decision that it is not committed to its end: the undo, what waits for a person
 * meanwhile, and the report of all that. What is decided, and when, is the run's.
 */
export class Ending {
  readonly desk: Desk;
  /** What persons decided in earlier runs. */
  readonly earlier: Earlier;
  readonly #of: EndingOf;
  #phase: Phase = 'running';
  #report: TransactionReport | undefined;

  constructor(of: EndingOf) {
    this.#of = of;
    const { driver, options } = of;
    const decisions = options.settle?.decisions;
    this.earlier = new Earlier(decisions);
    this.desk = new Desk(
      () => driver.now(),
      (opened) => {
        this.#deskChanged(opened);
      },
      decisions,
    );
  }

  get state(): TransactionState {
    return this.desk.isEmpty ? this.#phase : 'stuck';
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Why the transaction is not committed, from the moment that this is decided. */
  get report(): TransactionReport | undefined {
    return this.#report;
  }

  enter(phase: Phase): void {
    this.#phase = phase;
    this.#of.driver.changed(this.state);
  }

  /** It is neither committed nor undone: what happened stays. */
  fail(cause: unknown): void {
    this.#describe(cause, 'failed');
    this.enter('failed');
  }

  /** It goes forward again after all. */
  revoke(): void {
    this.#report = undefined;
    this.enter('running');
  }

  /**
   * Confirms every branch. From here on nothing is undone.
   *
   * @returns the first that a person left as it is, if any
   */
  async confirm(): Promise<StepFailed | undefined> {
    const { driver, ledger, calls, ops, judge } = this.#of;
    ledger.confirming = true;
    await confirmBranches(ledger.toConfirm, {
      ...{ ops, desk: this.desk, ledger, judge, earlier: this.earlier, now: () => driver.now() },
      call: (record, args) => calls.confirm(record, args),
      changed: () => {
        driver.changed();
      },
    });
    const left = ledger.branches.find(({ confirm }) => confirm?.state === 'skipped');
    return left?.confirm?.failure && new StepFailed(left.step, 'unknown', left.confirm.failure);
  }

  /**
   * Undoes what happened or may have happened.
   *
   * @returns `forward` if a person gave that up while nothing of it was done; else it is `compensated`, or `failed` if a
   * person left something as it is
   */
  async undo(cause: unknown): Promise<'undone' | 'forward'> {
    const { driver, ledger, options, ops } = this.#of;
    const branches = ledger.toUndo;
    this.#describe(cause, 'compensating');
    if (branches.length > 0) this.enter('compensating');
    const ended = await undoBranches(branches, {
      ...this.#undoing(() => {
        this.#describe(cause, 'compensating');
        driver.changed();
      }),
      order: options.undo ?? 'newest-first',
      closed: ops.decidesOnce ? undefined : driver.windowPassed(),
      revocable: isRevocable(cause) && !ledger.isOver && !ops.decidesOnce,
    });
    if (ended === 'forward') return ended;
    const state = isAnyLeft(branches) ? 'failed' : 'compensated';
    this.#describe(cause, state);
    this.enter(state);
    return ended;
  }

  /**
   * Before the run ends: what drivers before it have done, and its body does not name, as theirs was of another release. No program
   * knows whether that belongs to this end, so a person decides; `skip` leaves it.
   *
   * @param applied steps that are done, and not undone
   * @param failed why the transaction is not committed; absent: it is
   */
  async decideUnknown(applied: readonly AppliedStep[], failed?: { readonly cause: unknown }): Promise<void> {
    const { driver, ledger } = this.#of;
    const unknown = applied.filter(({ branch }) => !ledger.knows(branch));
    if (unknown.length === 0) return;
    const records = unknown.map((step) => ledger.foundUnknown(step, driver.now()));
    const wasLeft = this.#report?.state === 'failed';
    const describe = (state: TransactionState) => {
      if (failed !== undefined) this.#describe(failed.cause, state);
      driver.changed(this.state);
    };
    await this.#decideByPerson(records, UNKNOWN_STEP, () => {
      describe('compensating');
    });
    if (failed !== undefined) this.#phase = wasLeft || isAnyLeft(records) ? 'failed' : 'compensated';
    describe(this.#phase);
  }

  /**
   * Has a person decide about what was begun of the transaction after its end, in a database that knew nothing of that end: no
   * program knows whether it belongs to it.
   */
  async decideBegunAnew(): Promise<void> {
    const { options, ledger, driver } = this.#of;
    const { adopt } = options;
    if (adopt === undefined) return;
    const homes = homesOf(adopt);
    const begun = ledger.toUndo.filter(({ operation }) => homes.includes(participantOf(operation)));
    await this.#decideByPerson(begun, BEGUN_ANEW, () => {
      driver.changed(this.state);
    });
  }

  /** Has a person decide about each of these, which no program may undo. */
  async #decideByPerson(records: readonly BranchRecord[], why: FailureNote, changed: () => void): Promise<void> {
    if (records.length === 0) return;
    const undoing = { ...this.#undoing(changed), order: 'parallel', closed: why, revocable: false } as const;
    await this.#of.driver.shielded(() => undoBranches(records, undoing));
  }

  #undoing(changed: () => void): Omit<UndoOf, 'order' | 'closed' | 'revocable'> {
    const { driver, ledger, calls, judge, ops } = this.#of;
    return {
      desk: this.desk,
      ledger,
      ops,
      now: () => driver.now(),
      call: (record, args) => calls.undo(record, args),
      judge,
      earlier: this.earlier,
      changed,
    };
  }

  #describe(cause: unknown, state: TransactionState): void {
    const { driver, ledger, ops } = this.#of;
    this.#report = reportOf({ gid: driver.gid, scheme: ops.scheme }, ledger, cause, state);
  }

  #deskChanged(opened: DeskCase | undefined): void {
    this.#of.driver.changed(this.state);
    if (opened !== undefined) this.#of.driver.stuck(opened);
  }
}

const BEGUN_ANEW: FailureNote = {
  type: 'BegunAnew',
  message: 'it was done after its transaction had ended, which another release had begun in another database',
};

const UNKNOWN_STEP: FailureNote = {
  type: 'UnknownStep',
  message:
    'it was done by another release of the transaction: the one that ends it has no such step, and cannot tell what is due',
};

function isAnyLeft(branches: readonly BranchRecord[]): boolean {
  return branches.some(({ undo }) => undo?.state === 'skipped');
}

/** Whether what stopped a transaction may be another way now: a definite no and a broken rule stay what they are. */
function isRevocable(cause: unknown): boolean {
  if (cause instanceof StepFailed) return cause.knowledge === 'unknown';
  return cause instanceof TransactionStopped && cause.type !== 'Terminated';
}
