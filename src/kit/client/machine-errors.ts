import type { FailureNote } from '../workflow/failure.js';
import type { Refusal } from '../workflow/state-machine/protocol.js';

/** What a caller of a state machine can get instead of an answer, besides the errors of transactions. Nothing has changed then. */

/** The event is not legal as things stand: the message says what would be. */
export class IllegalTransition extends Error {
  readonly gid: string;
  /** Where the object is; absent: not told. */
  readonly state: string | undefined;
  readonly legal: readonly string[];

  constructor(gid: string, message: string, { state, legal = [] }: Refusal = {}) {
    super(message);
    this.name = 'IllegalTransition';
    this.gid = gid;
    this.state = state;
    this.legal = legal;
  }
}

/** The transition came to nothing: its effects were undone, or the service that has the row refused it. */
export class TransitionUndone extends Error {
  readonly gid: string;
  readonly state: string | undefined;
  /** The transaction of its effects; absent: it had none. */
  readonly transaction: string | undefined;
  /** Why, as the service or the transaction says it. */
  readonly why: FailureNote | undefined;

  constructor(gid: string, message: string, { state, gid: transaction, cause }: Refusal = {}) {
    super(message);
    this.name = 'TransitionUndone';
    this.gid = gid;
    this.state = state;
    this.transaction = transaction;
    this.why = cause;
  }
}

/**
 * The event was not taken: too many wait (`Busy`: try again), its request id is another event's (`OtherRequest`), or it is no event of the machine
 * (`InvalidEvent`). Or its effects were done and the row has not moved, as somebody decided wrongly at the desk (`MovedNothing`): a person has to look.
 */
export class EventRefused extends Error {
  readonly gid: string;
  readonly type: string;

  constructor(gid: string, type: string, message: string) {
    super(message);
    this.name = 'EventRefused';
    this.gid = gid;
    this.type = type;
  }
}

/** It never began: there was no row, or what was to make it has failed. */
export class MachineNotBegun extends Error {
  readonly gid: string;
  /** Such as `NoSuchRow`. */
  readonly type: string;

  constructor(gid: string, type: string, message: string) {
    super(message);
    this.name = 'MachineNotBegun';
    this.gid = gid;
    this.type = type;
  }
}
