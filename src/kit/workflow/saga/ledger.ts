import type { Complete } from '../complete.js';
import type { FailureNote } from '../failure.js';
import type { AppliedStep } from '../fate.js';
import type { StepOptions } from './definition.js';
import type { Judgement } from './driver.js';
import { keep, type Kept } from './kept.js';

/** `step`: can be undone. `pivot`: the point of no return. `forward`: after it. */
export type StepKind = 'step' | 'pivot' | 'forward';

/**
 * What became of a branch's undo.
 * - `parked`: it waits for a person.
 * - `resolved`: a person fixed it outside.
 * - `skipped`: a person left it as it is.
 */
export type UndoState = 'running' | 'undone' | 'parked' | 'resolved' | 'skipped';

/** The undo of a branch, from the moment that it was begun. */
export interface UndoRecord {
  state: UndoState;
  readonly startedAt: number;
  endedAt?: number;
  failure?: FailureNote;
}

/** One branch of a running saga, and all that is known of it. */
export interface BranchRecord {
  readonly step: string;
  readonly seq: number;
  readonly kind: StepKind;
  /** The operation's name, such as `payments.charge`. */
  readonly operation: string;
  readonly summary: string;
  readonly input: Kept;
  readonly options: StepOptions;
  startedAt: number;
  /** `parked`: what cannot be undone waits for a person. */
  state: 'running' | 'parked' | 'succeeded' | 'rejected' | 'unknown';
  result?: Kept;
  failure?: FailureNote;
  endedAt?: number;
  undo?: UndoRecord;
  /** The input as a person changed it. */
  corrected?: { readonly input: Kept };
  /** How often the branch was begun anew after a definite no: each time under a name of its own. */
  renewals: number;
  /** The run of the body that has seen it last. */
  pass: number;
  /** It never happened, and never can. */
  barred?: boolean;
  /** An undo was asked in an earlier run of the body, and may have happened: whether it did is to be looked at. */
  verify?: true;
}

/** The branches of a saga in the order in which they were begun. */
export class Ledger {
  readonly branches: BranchRecord[] = [];
  /** The run of the body that is under way: a body runs again when a person forces the transaction forward. */
  pass = 1;
  /** The steps that were undone, in the order in which that was done. */
  undone: readonly string[] = [];
  /** Parallel groups that are open in this run of the body. */
  readonly groups = new Set<{ readonly branches: number }>();
  /** Whether steps ran side by side: which of them were begun may be due to chance then. */
  overlapped = false;
  /** Whether more steps ran side by side than groups have branches: the body does not wait for all that it begins. */
  loose = false;

  /** The body runs again. */
  nextPass(): void {
    this.pass++;
    this.groups.clear();
  }

  begin(begun: Omit<BranchRecord, 'seq' | 'state' | 'renewals' | 'pass'>): BranchRecord {
    const { pass } = this;
    this.#noteOthers();
    const { step, kind, operation, summary, input, options, startedAt } = begun;
    const record: Complete<BranchRecord> = {
      step,
      seq: this.branches.length + 1,
      kind,
      operation,
      summary,
      input,
      options,
      startedAt,
      state: 'running',
      result: undefined,
      failure: undefined,
      endedAt: undefined,
      undo: undefined,
      corrected: undefined,
      renewals: 0,
      pass,
      barred: undefined,
      verify: undefined,
    };
    this.branches.push(record);
    return record;
  }

  #noteOthers(): void {
    if (this.running === undefined) return;
    this.overlapped = true;
    let allowed = 1;
    for (const { branches } of this.groups) allowed += branches - 1;
    this.loose ||= this.branches.filter(isRunning).length >= allowed;
  }

  /** Begins a branch again that an earlier run of the body began; what is known to have succeeded stays as it is. */
  beginAgain(record: BranchRecord, at: number): void {
    record.pass = this.pass;
    const isKnown = record.state === 'succeeded';
    if (isKnown && record.undo === undefined) return;
    if (isKnown) record.verify = true;
    Object.assign(record, { state: 'running', startedAt: at, endedAt: undefined, failure: undefined, undo: undefined });
  }

  succeed(record: BranchRecord, result: unknown, at: number): void {
    record.result = keep(result);
    record.state = 'succeeded';
    record.failure = undefined;
    record.endedAt = at;
  }

  fail(record: BranchRecord, judgement: Judgement, at: number): void {
    record.state = judgement.knowledge;
    record.barred = judgement.settled?.kind === 'barred';
    record.failure = { type: judgement.type, message: judgement.message };
    record.endedAt = at;
  }

  /** A branch was undone by an earlier run. */
  foundUndone(record: BranchRecord, at: number): void {
    record.undo = { state: 'undone', startedAt: at, endedAt: at };
    this.undone = [...this.undone, record.step];
  }

  /** The undo of a branch has come to its end. */
  endUndo(record: BranchRecord, state: 'undone' | 'resolved' | 'skipped', at: number): void {
    if (record.undo === undefined) throw new Error(`the undo of '${record.step}' was never begun`);
    Object.assign(record.undo, { state, endedAt: at });
    if (state !== 'skipped') this.undone = [...this.undone, record.step];
  }

  /** A step that an earlier driver has done, and that the body does not name. */
  foundUnknown({ branch, function: name, input, result }: AppliedStep, startedAt: number): BranchRecord {
    const operation = name.slice(0, name.lastIndexOf('.'));
    const known = { kind: 'step', operation, summary: branch, input: keep(input), options: {}, startedAt } as const;
    const record = this.begin({ step: branch, ...known });
    this.succeed(record, result, startedAt);
    return record;
  }

  /** Whether a branch of this name was begun. */
  knows(branch: string): boolean {
    return this.branches.some(
      ({ step, renewals }) =>
        branch === step || (branch.startsWith(`${step}~`) && Number(branch.slice(step.length + 1)) <= renewals + 1),
    );
  }

  find(step: string): BranchRecord | undefined {
    return this.branches.find((record) => record.step === step);
  }

  /** A branch whose first operation runs, or waits for a person. */
  get running(): BranchRecord | undefined {
    return this.branches.find(isRunning);
  }

  /** The pivot, from the moment that it was scheduled, unless it ended as a definite no. */
  get pivot(): BranchRecord | undefined {
    return this.branches.find(({ kind, state }) => kind === 'pivot' && state !== 'rejected');
  }

  /** Whether the saga only goes forward. */
  get pivoted(): boolean {
    return this.pivot !== undefined;
  }

  /** What happened or may have happened in an earlier run of the body, and was not seen by this one. */
  get forgotten(): BranchRecord | undefined {
    return this.branches.find(({ state, pass }) => pass < this.pass && state !== 'rejected');
  }

  /** Whether something of it was undone or barred for good: it cannot go forward any more. */
  get isOver(): boolean {
    return this.undone.length > 0 || this.branches.some(({ barred }) => barred === true);
  }

  /** What has to be undone, newest first: what happened, and what may have happened. */
  get toUndo(): BranchRecord[] {
    return this.branches
      .filter(({ kind, state, undo }) => kind === 'step' && undo?.state !== 'undone' && isOpen(state))
      .reverse();
  }
}

/** What the branch is asked with: its own input, or a person's. */
export function inputOf({ corrected, input }: BranchRecord): Kept {
  return corrected === undefined ? input : corrected.input;
}

function isRunning({ state }: BranchRecord): boolean {
  return state === 'running' || state === 'parked';
}

/** Whether it happened, or may have happened. */
function isOpen(state: BranchRecord['state']): boolean {
  return state === 'succeeded' || state === 'unknown';
}
