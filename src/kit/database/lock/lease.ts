/**
 * A lease lock: one process at a time works on a resource, and a process that dies holds it up for the length of a lease at most.
 *
 * States of a resource: free → held by an owner until a time → free, when it was released; or over, when that time has come: then anybody
 * takes it. Whoever takes it gets a token that is higher than all before it of that resource.
 *
 * Invariant, of the store: no two owners hold a resource at once by the store's clock. Of the holder: it never believes longer than the
 * store that it holds it, as it counts from before it asked. But it may be stopped between looking and writing (a paused process, a
 * suspended machine, a packet that is late), for any time; and a store that lost what it had gives one resource to two. So what the lock
 * protects looks at the token too, in the transaction of the write (`fence`): a holder whose lease is over cannot write once a later one
 * has. The lock saves work that would be done twice; the fence keeps it right.
 *
 * That a lock without a fence protects nothing is Martin Kleppmann's ("How to do distributed locking", 2016).
 */
export interface LeaseLock {
  /**
   * Does work while it holds a resource. The lease is renewed at a third of its length, until the work has ended.
   *
   * @param resource such as `order/17`: 1 to 200 characters
   * @param work gets the lease: its `token` for {@link fence}, and its `signal`, which says that it is lost
   * @returns what the work returned; or why it was skipped: `not-got`, as another had the resource all the time that it waited, or
   * `not-needed`, as there was nothing to do any more when it had it
   * @throws {@link LeaseLost} if the lease was lost while the work ran, whatever that came to: what it has written with its token
   * is written, and nothing else
   * @throws {@link LockUnavailable} if the store could not be asked: the work was not begun
   * @throws what the work throws
   */
  hold<Result>(resource: string, work: (lease: Lease) => Promise<Result>, options?: HoldOptions): Promise<Held<Result>>;
}

/** A resource that is held. */
export interface Lease {
  readonly resource: string;
  /** Higher than that of any lease of this resource before it: a whole number below 2^53, that fits a `bigint`. */
  readonly token: number;
  /** Aborted, with a {@link LeaseLost}, as soon as it is known that the lease is lost, or when the caller's own signal is. */
  readonly signal: AbortSignal;
}

/** What became of work under a lock. */
export type Held<Result> =
  | { readonly outcome: 'done'; readonly result: Result; readonly token: number }
  | { readonly outcome: 'skipped'; readonly why: 'not-got' | 'not-needed' };

/** Options of one {@link LeaseLock.hold}. */
export interface HoldOptions {
  /**
   * Looks again, under the lock, whether there is anything to do: what was true before it was waited for may not be any more. Default: there is
   */
  readonly stillNeeded?: (lease: Lease) => Promise<boolean>;
  /** How long it is waited for, in milliseconds. Default: the lock's */
  readonly waitMs?: number;
  /** Ends the wait, and is passed on to the work. */
  readonly signal?: AbortSignal;
}

/** Options of a lock, wherever its leases are kept. */
export interface LeaseOptions {
  /** How long a resource is waited for, in milliseconds; 0: it is asked for once. Default: 5,000 */
  readonly waitMs?: number;
  /** The length of a lease, in milliseconds: how long a dead holder holds up the others. Default: 300,000 */
  readonly leaseMs?: number;
  /**
   * How long one work may hold a resource in all, in milliseconds: a process that lives may be stuck, and would renew for ever. It is a lost
   * lease then. Default: an hour
   */
  readonly longestMs?: number;
  /** How long work is waited for that goes on after its lease is lost, in milliseconds. Default: 30,000 */
  readonly graceMs?: number;
  /** Hears, in one line, of what was skipped as it was not got, and of a lease that could not be given back. Default: the process's warnings */
  readonly onWarning?: (line: string) => void;
}

/** The holder has lost its lease: it could not be renewed in time, somebody else has it, or it was held for as long as any may be. */
export class LeaseLost extends Error {
  constructor(resource: string, token: number, why: string, options?: ErrorOptions) {
    super(`the lease of '${resource}' (token ${token}) is lost: ${why}`, options);
    this.name = 'LeaseLost';
  }
}

/** Nobody knows who holds the resource: the store cannot be asked. */
export class LockUnavailable extends Error {
  constructor(resource: string, cause: unknown) {
    super(`the lock of '${resource}' cannot be asked for: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
    this.name = 'LockUnavailable';
  }
}

/** What came of asking for a resource: its token, or for how long at most it is another's, in milliseconds. */
export type Taken = { readonly token: number } | { readonly heldForMs: number };

/**
 * Where leases are kept. Its clock counts, and no other. `limitMs` is how long the holder waits for an answer: what a store can end then it
 * ends, so that no more of what was given up is under way than its holder has asked lately.
 */
export interface LeaseStore {
  /**
   * Takes a resource, if it is free, over, or this owner's: who lost the answer asks again.
   *
   * The token is higher than the resource's last one, and no lower than the store's clock in microseconds: so it goes on growing if the
   * store has lost what it had, unless its clock was put back.
   */
  take(resource: string, owner: string, leaseMs: number, limitMs: number): Promise<Taken>;
  /** Makes it last so long from now. @returns false if it is not this owner's any more, or over */
  renew(resource: string, owner: string, leaseMs: number, limitMs: number): Promise<boolean>;
  /** Gives it back, if it is this owner's. */
  release(resource: string, owner: string, limitMs: number): Promise<void>;
}
