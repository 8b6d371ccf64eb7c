import type { DeskNote } from '../desk.js';
import type { FailureNote } from '../failure.js';

/** A row of a transaction state table, as callers, scans and the desk read it. Pure. */

/**
 * - `init`: stored; nothing is known to be done. `a_done`, `b_done`, …: the first, the second operation is done.
 * - `success`: all are.
 * - `refused`: the first operation said a definite no. Nothing happened.
 * - `error`: a person has to see to it: it has failed in too many rounds, or an operation after the first was refused.
 * - `left`: a person left it as it is.
 */
export type State = 'init' | `${string}_done` | 'success' | 'refused' | 'error' | 'left';

/** An operation of a row, as it is stored. */
export interface StoredCall {
  /** The name of the step, once in a row: with the gid it makes the call idempotent. */
  readonly branch: string;
  /** The operation's name, such as `bank_a.debit`. */
  readonly operation: string;
  readonly input: unknown;
  /** One line for people. */
  readonly summary?: string;
  /** How often a person began it anew, as its definite no stays what it is. */
  readonly renewed?: number;
}

/** A failure with what is known of the operation that has failed. */
export interface StateFailure extends FailureNote {
  /** `refused`: a definite no, nothing of the operation happened. `unknown`: it may have happened, or may yet. */
  readonly known: 'refused' | 'unknown';
}

/** A row. Times are milliseconds since 1970. */
export interface StateRow {
  readonly gid: string;
  readonly state: State;
  /** How many operations are known to be done. */
  readonly done: number;
  readonly calls: readonly StoredCall[];
  readonly twoStates: boolean;
  readonly inputHash: string;
  /** What the operations that are done returned, in their order. */
  readonly results: readonly unknown[];
  readonly failure?: StateFailure;
  /** What persons have decided, in order. */
  readonly decisions: readonly DeskNote[];
  /** Rounds of the scan that were begun. */
  readonly rounds: number;
  readonly driver: string;
  readonly createdAt: number;
  /** When the scan comes to it. Absent: it has ended, or a person has it. */
  readonly dueAt?: number;
  readonly endedAt?: number;
}

/** What a caller hears. Only `success` and `refused` are the end; nothing is ever undone. */
export type StateAnswer =
  /** All operations are done. `results`: what they returned, in their order. */
  | { readonly answer: 'success'; readonly results: readonly unknown[] }
  /** The first operation said a definite no: nothing happened, nor can it. */
  | { readonly answer: 'refused'; readonly failure: StateFailure }
  /**
   * The answer is not known yet: ask again later with the same gid and inputs, or look. `stored`: the row is there, so that
   * a scan goes on by itself; else not even that is known.
   */
  | { readonly answer: 'pending'; readonly done: number; readonly stored: boolean; readonly failure?: StateFailure }
  /** A person has to see to it, and will: so many operations are done. */
  | { readonly answer: 'error'; readonly done: number; readonly failure: StateFailure }
  /** A person left it as it is: so many operations are done. */
  | { readonly answer: 'left'; readonly done: number; readonly failure: StateFailure; readonly by?: DeskNote };
