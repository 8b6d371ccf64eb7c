import type { Operation } from './branch.js';

/**
 * A participant is a record of operations, each implemented by functions that get the {@link Operation} and an input.
 * A transaction names it by its type alone; the driver resolves the name: in a workflow to activities, in process to
 * the functions themselves. So a transaction's code imports nothing of a participant but types.
 */

/** An operation that can be undone: what a saga's steps before the pivot need. */
export interface Undoable<Input, Result> {
  action: (operation: Operation, input: Input) => Promise<Result>;
  /**
   * Undoes the action. `result` is what the action returned, or `undefined` when its outcome is unknown: it may have
   * happened, or not, or happen later. A function that does not accept `undefined` here does not compile.
   */
  compensation: (operation: Operation, input: Input, result: Result | undefined) => Promise<unknown>;
}

/**
 * An operation that cannot be undone, only made good: a message that went out, a parcel that left. What makes amends is
 * a new act that everybody sees (a second message, a recall), and is asked for as a compensation would be.
 */
export interface Amendable<Input, Result> {
  action: (operation: Operation, input: Input) => Promise<Result>;
  /**
   * Makes good what the action did. `result` is what the action returned, or `undefined` when its outcome is unknown:
   * the guard then bars it, and nothing is amended that never happened. It is done once, and no action follows it.
   */
  amends: (operation: Operation, input: Input, result: Result | undefined) => Promise<unknown>;
}

/**
 * An operation of a TCC transaction: first it is tried, which checks it and holds what it needs; once all of them are tried it
 * is confirmed, and otherwise cancelled.
 */
export interface TryConfirmCancel<Input, Held> {
  /** Holds what the operation needs, visibly and for nobody else. What it returns the other two get. */
  try: (operation: Operation, input: Input) => Promise<Held>;
  /** Makes what is held an effect. It may not refuse: it is asked until it is done. */
  confirm: (operation: Operation, input: Input, held: Held) => Promise<unknown>;
  /**
   * Gives back what is held. `held` is what the try returned, or `undefined` when its outcome is unknown: it may have happened, or
   * not, or come later.
   */
  cancel: (operation: Operation, input: Input, held: Held | undefined) => Promise<unknown>;
}

/**
 * What a participant answers to a prepare that it does not refuse.
 * - `yes`: all that was asked is done, and waits to be committed or rolled back: it can be either, whatever happens.
 * - `read-only`: nothing was written: whatever is decided, nothing more has to be done here.
 * - `committed`: it was the only participant, and has done it at once.
 */
export type Vote = 'yes' | 'read-only' | 'committed';

/**
 * An operation of a two-phase commit: first it is prepared, which does all of it so that nobody sees it; once all participants
 * are prepared it is committed, and otherwise rolled back.
 */
export interface TwoPhase<Input> {
  /** Does what is asked and prepares it, or refuses it for good. */
  prepare: (operation: Operation, input: Input) => Promise<Vote>;
  /** Makes what is prepared an effect. It may not refuse: it is asked until it is done. */
  commit: (operation: Operation, input: Input, vote: Vote) => Promise<unknown>;
  /**
   * Takes back what is prepared. `vote` is what the prepare answered, or `undefined` when its outcome is unknown: it may be
   * prepared, or not, or come later.
   */
  rollback: (operation: Operation, input: Input, vote: Vote | undefined) => Promise<unknown>;
}

/**
 * An operation of a three-phase commit: it is asked whether it could be done, and only when all could is it prepared, as in a
 * two-phase commit.
 */
export interface ThreePhase<Input> extends TwoPhase<Input> {
  /** Looks whether it could be prepared. It changes and holds nothing; a `Rejection` is a definite no. */
  canCommit: (operation: Operation, input: Input) => Promise<unknown>;
}

/** An operation that is only ever asked to go forward: the pivot, and what comes after it. */
export interface Forward<Input, Result> {
  action: (operation: Operation, input: Input) => Promise<Result>;
}

declare const implementation: unique symbol;

/** The name of an operation, such as `payments.charge`, that knows the type of what implements it. */
export interface OperationRef<Implementation> {
  readonly name: string;
  readonly [implementation]?: Implementation;
}

/** The names of all operations of a participant. */
export type Participant<Implementation> = {
  readonly [Name in keyof Implementation & string]: OperationRef<Implementation[Name]>;
};

/**
 * Names a participant by its type.
 *
 * @param name the name under which the worker registers its operations
 * @example
 * ```ts
 * import type { Payments } from '../activities/payments/index.js';
 * const payments = participant<Payments>('payments');
 * // payments.charge.name === 'payments.charge'
 * ```
 */
export function participant<Implementation>(name: string): Participant<Implementation> {
  return new Proxy({} as Participant<Implementation>, {
    get: (_, operation) => (typeof operation === 'string' ? { name: `${name}.${operation}` } : undefined),
  });
}

/** The participant of an operation's name. */
export function participantOf(operation: string): string {
  return operation.slice(0, operation.indexOf('.'));
}
