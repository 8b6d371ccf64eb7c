/**
 * A definite no of a participant, thrown from guarded work: what was asked cannot be done, nothing of it happened, and
 * the guard makes that durable. Everything else that is thrown leaves the outcome unknown.
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

/** An operation that came after its own undo (or after the rival of its phase), refused for good. */
export class Suspended extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Suspended';
  }
}
