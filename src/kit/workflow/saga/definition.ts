import type { Duration } from '@temporalio/common';
import type { DeskDecision } from '../desk.js';
import type { CauseNote } from '../failure.js';
import type { Adopt } from '../fate.js';
import type { GroupOrder } from '../group.js';
import type { Amendable, Forward, OperationRef, Undoable } from '../participant.js';

/**
 * What a saga is, without who drives it. A saga's body uses nothing but its `tx`, so that the same body can be driven
 * by a workflow or in process.
 */

/**
 * How a saga's steps are carried.
 * - `durable`: each step is an activity; the default.
 * - `lean`: steps are local activities: fewer writes and lower latency; one that takes longer than 3 s, or keeps failing,
 *   goes on as an activity by itself. A cancellation waits for the local activity in progress. Undo is always an
 *   ordinary activity.
 */
export type Lane = 'durable' | 'lean';

/**
 * In what order branches are undone.
 * - `newest-first`: one after the other; one that waits for a person does not hold up the others. The default.
 * - `strict`: one after the other, and each only when the newer one is undone, or a person has decided about it.
 * - `parallel`: all at once.
 */
export type UndoOrder = 'newest-first' | 'strict' | 'parallel';

/** Options of a saga; a caller may override them for one call. */
export interface SagaOptions {
  /** Undone if not past its pivot by then, counted from the start. Default: none. */
  readonly deadline?: Duration;
  /** Default: `durable`. */
  readonly lane?: Lane;
  /** The order of undo. Default: `newest-first`. */
  readonly undo?: UndoOrder;
  /** Retries of a step before the pivot, after its first attempt. Default: 3. */
  readonly retries?: number;
  /** How long each compensation is tried, counted from its own start, before it waits for a person. Default: 30 minutes. */
  readonly compensationWindow?: Duration;
  /** How long the pivot and each step after it are tried before they wait for a person. Default: 30 minutes. */
  readonly forwardWindow?: Duration;
}

/** What a run gets besides its input: options for this call, and why it runs if it is not the first. */
export interface SagaCall extends SagaOptions {
  /** Set by what recovers a transaction whose run was ended from outside: this run finishes it. */
  readonly settle?: Settle;
  /** Set by what starts a workflow for a transaction that was driven outside Temporal: it takes that over. */
  readonly adopt?: Adopt;
  /** Set by a group that the transaction leaves: when it began, in milliseconds since 1970. Default: its run's start. */
  readonly beganAt?: number;
  /** Set by what starts a group: this run is no transaction, but drives all these. */
  readonly group?: GroupOrder;
}

/** Why a transaction has to be settled. */
export interface Settle {
  /** When its run was ended, in milliseconds since 1970: the compensation window counts from here. */
  readonly failedAt: number;
  /** How it was ended, and by whom. */
  readonly reason: string;
  /** Why its driver before had decided to undo it, if that had. */
  readonly cause?: CauseNote;
  /** It was being undone: what it had asked may still be on its way, so it is undone to its end, whatever is found. */
  readonly undo?: true;
  /** It was decided that all of it stands: these branches were asked to confirm or to commit, so nothing is undone any more. */
  readonly confirm?: readonly string[];
  /** What persons decided in the runs before, in order: what they did by hand no guard knows. */
  readonly decisions?: readonly DeskDecision[];
}

/** Options of one step. */
export interface StepOptions {
  /** Shown in the Web UI for the step, such as `pay 29.33 for order cdnow-00001`. Default: the step's name. */
  readonly summary?: string;
  /** How long one attempt may take, and one of its undo. Default: the retry profile's. */
  readonly timeout?: Duration;
  /** Retries after the first attempt, for a step before the pivot. Default: the saga's. */
  readonly retries?: number;
  /** In the `lean` lane: this step takes seconds, so it is not tried as a local activity first. */
  readonly long?: boolean;
  /** Before the pivot: the step cannot be undone, and declares what is done instead: its operation has an `amends`. */
  readonly amends?: boolean;
  /** After the pivot: what becomes of a definite no. `desk`: a person decides; the default. `throw`: the body does. */
  readonly onRejected?: 'desk' | 'throw';
}

/** What a saga's body works with. Each step's name is unique within the transaction. */
export interface Tx {
  /** The global transaction's id. */
  readonly gid: string;

  /**
   * Runs a step that can be undone. Its compensation is registered when it succeeded and when its outcome is unknown.
   *
   * @throws {@link StepFailed} when it was rejected (the body may try another way under another step name) or is
   * unknown (the transaction will be undone, whatever the body does)
   */
  run<Input, Result>(
    step: string,
    operation: OperationRef<Undoable<Input, Result>>,
    input: NoInfer<Input>,
    options?: StepOptions & { readonly amends?: false },
  ): Promise<Result>;

  /** The same for a step that cannot be undone, and declares what is done instead. */
  run<Input, Result>(
    step: string,
    operation: OperationRef<Amendable<Input, Result>>,
    input: NoInfer<Input>,
    options: StepOptions & { readonly amends: true },
  ): Promise<Result>;

  /**
   * Runs branches side by side, each a function that awaits steps of this `tx`. When one fails the others are
   * cancelled and waited for, and the first failure is thrown.
   */
  parallel<Branches extends readonly (() => Promise<unknown>)[]>(
    ...branches: Branches
  ): Promise<{ -readonly [Index in keyof Branches]: Awaited<ReturnType<Branches[Index]>> }>;

  /**
   * Runs the step after which a saga only goes forward. From the moment it is scheduled it cannot be cancelled, and it
   * is retried until it is definite: succeeded, or rejected, and only then is the transaction undone. If that takes longer
   * than its window, it waits for a person.
   *
   * @throws {@link StepFailed}
   */
  pivot<Input, Result>(
    step: string,
    operation: OperationRef<Forward<Input, Result>>,
    input: NoInfer<Input>,
    options?: StepOptions,
  ): Promise<Result>;

  /**
   * Runs a step after the pivot: it cannot be cancelled, is never undone, and is retried until it is done; if that takes
   * longer than its window, or it is rejected, it waits for a person.
   *
   * @throws {@link StepFailed} when a person skipped it, or (with `onRejected: 'throw'`) when it was rejected
   */
  forward<Input, Result>(
    step: string,
    operation: OperationRef<Forward<Input, Result>>,
    input: NoInfer<Input>,
    options?: StepOptions,
  ): Promise<Result>;
}

/** The same with what a scheme that confirms has besides. */
export interface ConfirmingTx extends Tx {
  /** Decides that all that was begun stands, and confirms it. @throws why it does not stand, or what a person left unconfirmed */
  confirm(): Promise<void>;
}

/** A saga's body: what happens, in what order. */
export type SagaBody<Input, Result> = (tx: Tx, input: Input) => Promise<Result>;

/** A body of any scheme. */
export type RunBody<Input, Result> = (tx: ConfirmingTx, input: Input) => Promise<Result>;
