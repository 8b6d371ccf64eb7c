import { DecidedBefore, TransactionStopped, type StepFailed } from '../failure.js';
import type { Settle } from './definition.js';
import type { BranchRecord, Ledger } from './ledger.js';

/**
 * Why a run does not commit: the first reason of each kind counts.
 *
 * - *doom*: no further step begins; the run will be undone.
 * - *late*: a stop that came when the pivot was under way: it counts only if the pivot turns out a definite no.
 * - *flaw*: something went wrong after the pivot: the others go on, but the transaction is not committed.
 * - *gap*: a run that settles found a branch that never happened, or met what would doom another: it looks at all others,
 *   and then undoes.
 */
export class Verdict {
  readonly #ledger: Ledger;
  readonly #settling: () => boolean;
  #doom: Error | undefined;
  #late: Error | undefined;
  #flaw: Error | undefined;
  #gap: Error | undefined;
  /** The first failure of a parallel group that is being cancelled: the cause of what becomes unknown by that. */
  cancelling: Error | undefined;

  /** @param settling whether steps are only looked at: then nothing may keep the others from being looked at too */
  constructor(ledger: Ledger, settling: () => boolean) {
    this.#ledger = ledger;
    this.#settling = settling;
  }

  /** A stop from outside. */
  stop(reason: TransactionStopped): void {
    if (this.#ledger.pivoted) this.#late ??= reason;
    else this.#doom ??= reason;
  }

  /** The body broke a rule. */
  broke(rule: Error): void {
    if (this.#ledger.pivoted) this.#flaw ??= rule;
    else this.#fail(rule);
  }

  /** A step's outcome stays unknown. */
  unknown({ kind }: BranchRecord, failed: StepFailed): void {
    if (kind === 'forward') this.#flaw ??= failed;
    else this.#fail(this.cancelling ?? failed);
  }

  /** A step's undo came first: what an earlier run of the body has made of it is gone. */
  suspended(failed: Error): void {
    this.#fail(failed);
  }

  #fail(reason: Error): void {
    if (this.#settling()) this.#gap ??= reason;
    else this.#doom ??= reason;
  }

  /** A run that settles found that a step never happened, or is undone already. */
  missing(failed: Error): void {
    this.#gap ??= failed;
  }

  /** Forgets every reason. */
  clear(): void {
    this.#doom = this.#late = this.#flaw = this.#gap = this.cancelling = undefined;
  }

  /** Why no step before or of the pivot may begin; after the pivot, why nothing at all may. */
  get barrier(): Error | undefined {
    return this.#doom ?? (this.#ledger.pivoted ? undefined : this.#late);
  }

  /** Why the run must not commit, though its body may have returned. */
  get reason(): Error | undefined {
    return this.#doom ?? (this.#ledger.pivoted ? this.#flaw : (this.#late ?? this.#gap));
  }
}

/** Why a transaction that is settled is undone. */
export function endOf({ cause, reason }: Settle): Error {
  return cause === undefined ? new TransactionStopped('Terminated', reason) : new DecidedBefore(cause);
}
