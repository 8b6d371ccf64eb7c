import type { FailureNote } from '../failure.js';
import type { StepOptions } from './definition.js';
import type { Judgement } from './driver.js';
import { keep, type Kept } from './kept.js';

/** `step`: can be undone. `pivot`: the point of no return. `forward`: after it. */
export type StepKind = 'step' | 'pivot' | 'forward';

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
  readonly startedAt: number;
  state: 'running' | 'succeeded' | 'rejected' | 'unknown';
  result?: Kept;
  failure?: FailureNote;
  endedAt?: number;
  undo?: { state: 'running' | 'undone' | 'failed'; startedAt: number; endedAt?: number; failure?: FailureNote };
}

/** The branches of a saga in the order in which they were begun. */
export class Ledger {
  readonly branches: BranchRecord[] = [];

  begin(step: Omit<BranchRecord, 'seq' | 'state'>): BranchRecord {
    const record: BranchRecord = { ...step, seq: this.branches.length + 1, state: 'running' };
    this.branches.push(record);
    return record;
  }

  succeed(record: BranchRecord, result: unknown, at: number): void {
    record.result = keep(result);
    record.state = 'succeeded';
    record.endedAt = at;
  }

  fail(record: BranchRecord, judgement: Judgement, at: number): void {
    record.state = judgement.knowledge;
    record.failure = { type: judgement.type, message: judgement.message };
    record.endedAt = at;
  }

  has(step: string): boolean {
    return this.branches.some((record) => record.step === step);
  }

  /** A branch whose first operation runs. */
  get running(): BranchRecord | undefined {
    return this.branches.find(({ state }) => state === 'running');
  }

  /** The pivot, from the moment that it was scheduled, unless it ended as a definite no. */
  get pivot(): BranchRecord | undefined {
    return this.branches.find(({ kind, state }) => kind === 'pivot' && state !== 'rejected');
  }

  /** Whether the saga only goes forward. */
  get pivoted(): boolean {
    return this.pivot !== undefined;
  }

  /** What has to be undone, newest first: what happened, and what may have happened. */
  get toUndo(): BranchRecord[] {
    return this.branches
      .filter(({ kind, state }) => kind === 'step' && (state === 'succeeded' || state === 'unknown'))
      .reverse();
  }
}
