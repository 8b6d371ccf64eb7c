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
