import type { Op, Operation } from '../workflow/branch.js';
import type { Fate } from '../workflow/fate.js';

/**
 * A definite no of a participant, thrown from guarded work: what was asked cannot be done, nothing of it happened, and
 * the guard makes that durable. Everything else that is thrown leaves the outcome unknown; so does this one where no
 * guard stored it.
 *
 * @example
 * ```ts
 * if (!paid) throw new Rejection('InsufficientFunds', `customer ${id} has ${balance} cents, ${amount} are asked`);
 * ```
 */
export class Rejection extends Error {
  /** A stable name that callers branch on, such as `InsufficientFunds`. */
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.name = 'Rejection';
    this.type = type;
  }
}

/**
 * A rejection that the guard has stored, which only the guard may say: another attempt of the same operation may be on
 * its way still, and only the row makes sure that it is refused too.
 */
export class StoredRejection extends Rejection {}

/** An operation that came after its own undo (or after the rival of its phase), refused for good. */
export class Suspended extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Suspended';
  }
}

/**
 * Settled: the operation never happened, and never will. Either it was barred just now, or before; or its undo found
 * nothing to undo.
 */
export class Barred extends Error {
  constructor({ gid, branch, op }: Operation) {
    super(`${op} of branch '${branch}' in ${gid} never happened, and is barred for good`);
    this.name = 'Barred';
  }
}

/** Settled: the operation happened, and its undo has happened too or has begun. */
export class Undone extends Error {
  /** What the operation returned. */
  readonly result: unknown;

  constructor({ gid, branch, op }: Operation, by: Op, result: unknown) {
    super(`${op} of branch '${branch}' in ${gid} was applied, and then came its ${by}`);
    this.name = 'Undone';
    this.result = result;
  }
}

/** Whether an operation happened cannot be found out by asking again: a person has to look at the other side. */
export class Undecidable extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Undecidable';
  }
}

/** An undo found nothing of an action that had succeeded: its row is gone, and what it did is not undone. */
export class RowGone extends Error {
  constructor({ gid, branch, op }: Operation) {
    super(
      `${op} of branch '${branch}' in ${gid} finds no row of its action, which had succeeded: the row was removed, and what was done must be undone by hand`,
    );
    this.name = 'RowGone';
  }
}

/** A branch came with another input than the one that it was done with: what was done is not its own. */
export class InputMismatch extends Error {
  constructor({ gid, branch, op }: Operation) {
    super(
      `${op} is refused: branch '${branch}' of ${gid} was done before with another input: a step name or a gid is used twice`,
    );
    this.name = 'InputMismatch';
  }
}

/** Another driver has this transaction: whoever asks must not drive it. Nothing of the operation happened by this call. */
export class DrivenElsewhere extends Error {
  /** Who drove what was found, such as `direct:<call>`. */
  readonly driver: string | undefined;

  constructor({ gid, branch, op }: Operation, driver?: string) {
    super(`${op} of branch '${branch}' is refused: ${gid} has another driver${driver ? ` (${driver})` : ''}`);
    this.name = 'DrivenElsewhere';
    this.driver = driver;
  }
}

/** The transaction has come to its end: what it ended with counts. */
export class Decided extends Error {
  readonly fate: Fate;

  constructor({ gid, branch, op }: Operation, fate: Fate) {
    super(`${op} of branch '${branch}' is refused: ${gid} has ended, ${fate.state}`);
    this.name = 'Decided';
    this.fate = fate;
  }
}
