import type { Knowledge, Scheme, TransactionState } from './branch.js';
import type { Fate } from './fate.js';

/**
 * How failures travel: an activity's failure says in its details what the guard decided, a step's failure says what is
 * known of the call, and a transaction's failure carries a report that a caller can read without parsing any text.
 */

/**
 * The first detail of an activity's failure when the guard decided it: without this mark an outcome is unknown.
 * `barred` and `undone` answer a first operation that was asked with `settle`: it never happened and never will, or it
 * happened with this result and its undo was asked for. `elsewhere` and `decided`: the transaction has another driver, or has
 * come to its end.
 */
export type DecidedDetail =
  | { readonly backstitch: 'rejected' | 'suspended' | 'barred' | 'mismatch' | 'elsewhere' }
  | { readonly backstitch: 'decided'; readonly fate: Fate }
  | { readonly backstitch: 'undone'; readonly result?: unknown };

/** The type of the failure of a local activity that was not tried again, as the time for all its attempts is over. */
export const OVERDUE = 'Overdue';

/** A failure as plain data: for views, reports and the history. */
export interface FailureNote {
  /** A stable name to branch on, such as `InsufficientFunds`, `Timeout` or `Cancelled`. */
  readonly type: string;
  readonly message: string;
}

/** Why a transaction was not committed. `step` is absent for a deadline, a cancellation, an error in the body. */
export interface CauseNote extends FailureNote {
  readonly step?: string;
  readonly knowledge?: Knowledge;
}

/** A step that did not succeed, as a transaction's body sees it under every driver. */
export class StepFailed extends Error {
  readonly step: string;
  /** `rejected`: nothing happened; the body may try another way. `unknown`: the transaction can only be undone. */
  readonly knowledge: Exclude<Knowledge, 'succeeded'>;
  readonly type: string;

  constructor(step: string, knowledge: 'rejected' | 'unknown', note: FailureNote, cause?: unknown) {
    super(note.message, { cause });
    this.name = 'StepFailed';
    this.step = step;
    this.knowledge = knowledge;
    this.type = note.type;
  }
}

/** Why the driver stops a transaction from outside its steps. */
export class TransactionStopped extends Error {
  readonly type: 'DeadlineExceeded' | 'Cancelled' | 'Terminated';

  constructor(type: 'DeadlineExceeded' | 'Cancelled' | 'Terminated', message: string) {
    super(message);
    this.name = 'TransactionStopped';
    this.type = type;
  }
}

/** Why the driver before had decided to undo a transaction. */
export class DecidedBefore extends Error {
  readonly note: CauseNote;

  constructor(note: CauseNote) {
    super(note.message);
    this.name = note.type;
    this.note = note;
  }
}

/** A saga's body that breaks the grammar, such as a step name used twice; it is undone and reported, never retried. */
export class GrammarError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'GrammarError';
  }
}

/** A run met another driver of its transaction, or its end: nothing may be decided by it. */
export class MetDriver extends Error {
  /** How the transaction has ended; absent: another driver has it. */
  readonly fate: Fate | undefined;
  /** The participant in whose database they met. */
  readonly home: string;

  constructor(home: string, fate?: Fate) {
    super(fate === undefined ? 'the transaction has another driver' : `the transaction has ended, ${fate.state}`);
    this.name = 'MetDriver';
    this.home = home;
    this.fate = fate;
  }
}

/**
 * The types of the one failure that a transaction ends with.
 * - `TransactionCompensated`: it was undone; no effect is left.
 * - `TransactionFailed`: something was not undone, or not completed after the pivot; the report names each branch.
 */
export const transactionFailure = {
  compensated: 'TransactionCompensated',
  failed: 'TransactionFailed',
} as const;

/** What a transaction that did not commit says of itself: the detail of its failure. */
export interface TransactionReport {
  readonly gid: string;
  readonly scheme: Scheme;
  readonly state: TransactionState;
  /** The first error. */
  readonly cause: CauseNote;
  /** Steps that were undone, in the order in which that was done; those too that a person fixed outside. */
  readonly undone: readonly string[];
  /** Steps that happened or may have happened, and were not undone. */
  readonly notUndone: readonly (FailureNote & { readonly step: string })[];
  /** Of a three-phase commit whose participants decided differently: those that committed, whatever a person has said since. */
  readonly split?: readonly string[];
}
