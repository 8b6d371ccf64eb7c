import type { Branch, Knowledge, TransactionState } from '../branch.js';
import type { DeskCase } from '../desk.js';
import type { CauseNote, FailureNote } from '../failure.js';
import type { Fate } from '../fate.js';
import type { StepOptions } from './definition.js';

/** How a call is retried: which row of the table of retry profiles applies. */
export type CallProfile = 'action' | 'pivot' | 'forward' | 'compensation' | 'settle' | 'checkBack';

/** One call of a participant's operation. */
export interface Call {
  readonly branch: Branch;
  /** The operation's name without its op, such as `payments.charge`. */
  readonly operation: string;
  readonly profile: CallProfile;
  /** What follows the branch: the input, and for an undo the action's result. */
  readonly args: readonly unknown[];
  readonly summary: string;
  readonly options: StepOptions;
}

/** What is known of a call that failed. */
export interface Judgement extends FailureNote {
  readonly knowledge: Exclude<Knowledge, 'succeeded'>;
  /** The branch was done before with another input. */
  readonly mismatch?: boolean;
  /** It was refused because its own undo, which may have undone it, came first. */
  readonly suspended?: boolean;
  /** Another driver has the transaction or, with a fate, it has ended. */
  readonly met?: { readonly fate?: Fate };
  /** What the guard answered to a first operation that was settled, where it neither stands nor was rejected. */
  readonly settled?: { readonly kind: 'barred' } | { readonly kind: 'undone'; readonly result: unknown };
}

/**
 * What carries a saga: a workflow, or the caller's process. The saga itself (the order of things, what is undone, what
 * is reported) is the same for all of them.
 */
export interface SagaDriver {
  readonly gid: string;
  /** Whether nobody else can have made calls for this transaction, which this run knows nothing of. */
  readonly isAlone: boolean;
  /** Set where participants run in this process: they and the body get what JSON makes of values, as from elsewhere. */
  readonly sharesMemory?: true;
  /** When the deadline passes, by {@link now}. */
  readonly deadlineAt: number | undefined;
  /** The time, in milliseconds since 1970, by the driver's own clock. */
  now(): number;
  /**
   * Makes the call and resolves to its result; rejects with whatever went wrong. The deadline and a cancellation cancel
   * it, unless it is a pivot, comes after one or settles, or it is made within {@link shielded}.
   */
  call(call: Call): Promise<unknown>;
  /** Says what is known of a call that rejected: the one place that tells `rejected` from `unknown`. */
  judge(error: unknown): Judgement;
  /** Runs the decision and the undo: nothing cancels them. */
  shielded<T>(work: () => Promise<T>): Promise<T>;
  /** Runs `work` so that `cancel` cancels the calls within it that can be cancelled. */
  group<T>(work: (cancel: () => void) => Promise<T>): Promise<T>;
  /** While nothing more may begin: resolves when it may again, rejects when it is cancelled meanwhile. */
  resumed(): Promise<void> | undefined;
  /** Whether calls made here and now would be cancelled at once. */
  cancelled(): boolean;
  /** Told of every change; `state` when the transaction's state may have changed. */
  changed(state?: TransactionState): void;
  /** Told when a branch begins to wait for a person. */
  stuck(opened: DeskCase): void;
  /** Asked once it is known that the transaction is to be undone, before anything of that: resolves when it may. */
  undoing?(cause: CauseNote): Promise<void>;
  /**
   * Told what the body threw, before it is decided.
   *
   * @throws if nothing may be decided on it: that breaks the run
   */
  threw?(thrown: unknown): void;
  /** Whether this run goes on by a rule that was changed: one that a release before has recorded does not. Absent: by the newest rules. */
  hasChange?(change: string): boolean;
  /** Why no program may undo this transaction any more, if so. */
  windowPassed(): FailureNote | undefined;
  /** Says by when it had to be past its pivot. */
  overdue(): string;
}
