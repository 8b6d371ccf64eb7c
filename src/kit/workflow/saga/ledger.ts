import type { Op } from '../branch.js';
import type { Complete } from '../complete.js';
import type { FailureNote } from '../failure.js';
import type { AppliedStep } from '../fate.js';
import type { SecondState } from '../view.js';
import type { StepOptions } from './definition.js';
import type { Judgement } from './driver.js';
import { keep, recall, type Kept } from './kept.js';
import { SAGA, undoOp, type Ops } from './scheme.js';

/** `step`: can be undone. `pivot`: the point of no return. `forward`: after it. */
export type StepKind = 'step' | 'pivot' | 'forward';

/** The second operation of a branch, from the moment that it was begun: its undo, or its confirm. */
export interface SecondRecord {
  /** Its operation, such as `compensation`. */
  readonly op: Op;
  state: SecondState;
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
  undo?: SecondRecord;
  /** In a scheme that has it: begun once it is decided that the transaction stands. */
  confirm?: SecondRecord;
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

/** How a second operation ends. */
export type EndState = 'done' | 'resolved' | 'skipped';

/** The branches of a saga in the order in which they were begun. */
export class Ledger {
  readonly branches: BranchRecord[] = [];
  readonly #ops: Ops;
  /** The run of the body that is under way: a body runs again when a person forces the transaction forward. */
  pass = 1;
  /** The steps that were undone, in the order in which that was done. */
  undone: readonly string[] = [];
  /** Parallel groups that are open in this run of the body. */
  readonly groups = new Set<{ readonly branches: number }>();
  /** Whether steps ran side by side: which of them were begun may be due to chance then. */
  overlapped = false;
  /** Whether it is decided that all of it stands, and is being confirmed. */
  confirming = false;
  /** Whether more steps ran side by side than groups have branches: the body does not wait for all that it begins. */
  loose = false;

  /** @param ops what the operations of its scheme are called */
  constructor(ops: Ops = SAGA) {
    this.#ops = ops;
  }

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
      confirm: undefined,
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
    record.undo = { op: undoOp(this.#ops, record.options), state: 'done', startedAt: at, endedAt: at };
    this.undone = [...this.undone, record.step];
  }

  /** The undo of a branch, or its confirm, has come to its end. */
  endSecond(record: BranchRecord, which: 'undo' | 'confirm', state: EndState, at: number): void {
    const second = record[which];
    if (second === undefined) throw new Error(`the ${which} of '${record.step}' was never begun`);
    Object.assign(second, { state, endedAt: at });
    if (which === 'undo' && state !== 'skipped') this.undone = [...this.undone, record.step];
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
    return this.confirming || this.pivot !== undefined;
  }

  /** Whether its scheme confirms. */
  get confirms(): boolean {
    return this.#ops.confirm !== undefined;
  }

  /** Whether steps may go forward: the pivot is done, or all is confirmed. */
  get mayGoForward(): boolean {
    if (!this.confirming) return this.pivot?.state === 'succeeded';
    return this.toConfirm.every(({ confirm }) => confirm?.state === 'done' || confirm?.state === 'resolved');
  }

  /** What happened or may have happened in an earlier run of the body, and was not seen by this one. */
  get forgotten(): BranchRecord | undefined {
    return this.branches.find(({ state, pass }) => pass < this.pass && state !== 'rejected');
  }

  /** Whether something of it was undone or barred for good: it cannot go forward any more. */
  get isOver(): boolean {
    return this.undone.length > 0 || this.branches.some(({ barred }) => barred === true);
  }

  /** What has to be confirmed: what is held. */
  get toConfirm(): BranchRecord[] {
    return this.branches.filter(
      (record) => record.kind === 'step' && record.state === 'succeeded' && !this.#isDone(record),
    );
  }

  /** What has to be undone, newest first: what happened, and what may have happened. */
  get toUndo(): BranchRecord[] {
    return this.branches
      .filter(({ kind, state, undo }) => kind === 'step' && undo?.state !== 'done' && isOpen(state))
      .filter((record) => record.state === 'unknown' || !this.#isDone(record))
      .reverse();
  }

  #isDone({ result }: BranchRecord): boolean {
    return this.#ops.isDone?.(recall(result)) === true;
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
