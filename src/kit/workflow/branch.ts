import type { Opened } from './fate.js';

/**
 * The words that every scheme shares: what a branch is, what may be asked of it, and what is known of the answer.
 * Pure: nothing here touches Temporal or Node, so that workflows, activities and callers can all import it.
 */

/**
 * What is asked of a branch, by scheme: saga, TCC, two-phase and three-phase commit. `amends` stands for a compensation where
 * what was done cannot be undone, only made good. `canCommit` changes nothing.
 */
export type Op =
  'action' | 'compensation' | 'amends' | 'try' | 'confirm' | 'cancel' | 'canCommit' | 'prepare' | 'commit' | 'rollback';

/** The scheme that a global transaction runs under; `reconcile`: it is none, but a finding that waits for a person. */
export type Scheme = 'saga' | 'tcc' | '2pc' | '3pc' | 'message' | 'state' | 'machine' | 'reconcile';

/** The state of a global transaction. */
export type TransactionState = 'running' | 'compensating' | 'committed' | 'compensated' | 'stuck' | 'failed';

/**
 * What the driver of a transaction knows of a call.
 * - `succeeded`: it happened.
 * - `rejected`: a definite no; nothing happened, and nothing of it can happen later.
 * - `unknown`: timeout, lost reply, worker died, cancelled while running; it may have happened, or may yet.
 */
export type Knowledge = 'succeeded' | 'rejected' | 'unknown';

/** One operation of one branch, as the kit hands it to a participant. It is the first argument of every activity. */
export interface Branch {
  /** The global transaction: the Temporal workflow id, derived by the caller from its own business id. */
  readonly gid: string;
  /** The branch: the name of its step, unique within the gid. */
  readonly branch: string;
  readonly op: Op;
  readonly scheme: Scheme;
  /** The place of the branch in its transaction: 1 for the first step. An undo carries its action's number. */
  readonly seq: number;
  /** With an undo whose action is known to have succeeded: it cannot be empty then. */
  readonly succeeded?: true;
  /**
   * With a first operation of a transaction that is settled: it is never done now. What was done before is answered;
   * what was not is barred.
   */
  readonly settle?: true;
  /**
   * With a first operation of a scheme of two phases: its branch is the only one, so what it does is committed at once, and
   * nothing follows.
   */
  readonly single?: true;
  /** This run has taken over what a caller's process had begun in the participant's database, if one had. */
  readonly adopted?: true;
  /** With an undo: a person changed its input, which is therefore not compared with the one that the action had. */
  readonly corrected?: true;
}

/** What the guard writes beside the row of a step that announces its transaction. */
export interface Announcement {
  /** The `StartOrder` as JSON text, made before anything could change it: PostgreSQL keeps it unchanged. */
  readonly start: string;
  /** When a worker takes the transaction over, in milliseconds from then. */
  readonly takeOverMs: number;
  /** Told when it waits for a connection. */
  waiting?(): void;
  /** Told before anything of it is sent. */
  sending?(): void;
  /** Told once it is committed. */
  written(): void;
}

/** What the guard writes with the row of a step that is a group's first one of its transaction. */
export interface Opening extends Pick<Opened, 'transaction' | 'inputHash'> {
  /** Told when the row says so: written now, or by an attempt before. */
  readonly written: (when: 'now' | 'before') => void;
}

/** A branch's operation together with the call that carries it: what a participant's function gets. */
export interface Operation extends Branch {
  /** The full name of the function, such as `payments.charge.action`. */
  readonly function: string;
  /** Who drives the transaction, such as `workflow:<run id>`. */
  readonly driver: string;
  /** Who does the work: the identity of the worker. */
  readonly who: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** How long this attempt may take, in milliseconds; the guard ends its SQL transaction before that. */
  readonly timeoutMs: number;
  /** Aborted when the driver no longer waits for the answer. */
  readonly signal: AbortSignal;
  /**
   * With the first step of a transaction that the caller's process drives: it is done only if nobody else has this
   * transaction.
   */
  readonly announcement?: Announcement;
  /** With the first step of a transaction that a group drives: nobody else decides about it as long as its row says so. */
  readonly opening?: Opening;
}
