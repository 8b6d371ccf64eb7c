import type { Duration } from '@temporalio/common';
import type { Forward, OperationRef, Undoable } from '../participant.js';

/**
 * What a saga is, without who drives it. A saga's body uses nothing but its `tx`, so that the same body can be driven
 * by a workflow or in process.
 */

/**
 * How a saga's steps are carried.
 * - `durable`: each step is an activity; the default.
 * - `lean`: short steps are local activities: fewer writes and lower latency; cancellation and deadlines wait for the
 *   step in progress. Undo is always an ordinary activity.
 */
export type Lane = 'durable' | 'lean';

/** Options of a saga; a caller may override them for one call. */
export interface SagaOptions {
  /** Undone if not past its pivot by then, counted from the start. Default: none. */
  readonly deadline?: Duration;
  /** Default: `durable`. */
  readonly lane?: Lane;
  /** The order of undo. Default: `newest-first`, one after the other. */
  readonly undo?: 'newest-first' | 'parallel';
  /** Retries of a step before the pivot, after its first attempt. Default: 3. */
  readonly retries?: number;
  /** How long each compensation is tried, counted from its own start. Default: 30 minutes. */
  readonly compensationWindow?: Duration;
}

/** Options of one step. */
export interface StepOptions {
  /** Shown in the Web UI for the step, such as `pay 29.33 for order cdnow-00001`. Default: the step's name. */
  readonly summary?: string;
  /** How long one attempt may take, and one of its undo. Default: the retry profile's. */
  readonly timeout?: Duration;
  /** Retries after the first attempt, for a step before the pivot. Default: the saga's. */
  readonly retries?: number;
  /** In the `lean` lane: this step may take seconds, so it is carried as an ordinary activity. */
  readonly long?: boolean;
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
    options?: StepOptions,
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
   * is retried until it is definite: succeeded, or rejected, and only then is the transaction undone.
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
   * Runs a step after the pivot: it cannot be cancelled, is never undone, and is retried until it is done.
   *
   * @throws {@link StepFailed} when it was rejected for good: the transaction fails, and nothing is undone
   */
  forward<Input, Result>(
    step: string,
    operation: OperationRef<Forward<Input, Result>>,
    input: NoInfer<Input>,
    options?: StepOptions,
  ): Promise<Result>;
}

/** A saga's body: what happens, in what order. */
export type SagaBody<Input, Result> = (tx: Tx, input: Input) => Promise<Result>;
