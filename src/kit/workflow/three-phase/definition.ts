import type { Duration } from '@temporalio/common';
import type { OperationRef, ThreePhase } from '../participant.js';
import type { Settle } from '../saga/definition.js';

/** Options of a three-phase commit; a caller may override them for one call. */
export interface ThreePhaseOptions {
  /** Aborted if not all are prepared by then, counted from the start. Default: none. */
  readonly deadline?: Duration;
  /** How long each participant may take to answer `canCommit` and `preCommit`; no answer by then aborts all. Default: 10 s. */
  readonly answer?: Duration;
  /**
   * How long a participant waits for `preCommit` before it aborts, and then for `doCommit` before it commits; at least twice
   * `answer`. All `preCommit`s together may take this long less one `answer`, or participants would commit while others are still
   * asked. Default: 30 s.
   */
  readonly timeout?: Duration;
  /** How long a commit, a rollback and the question for its outcome are tried before they wait for a person. Default: 30 minutes. */
  readonly window?: Duration;
}

/** What a run gets besides its input: options for this call, and why it runs if it is not the first. */
export interface ThreePhaseCall extends ThreePhaseOptions {
  /** There is no other. */
  readonly lane?: 'durable';
  /** Set by what recovers a transaction whose run was ended from outside: this run finishes it. */
  readonly settle?: Settle;
}

/** What one participant is asked. */
export interface ThreePhaseAsked {
  /** The operation's name, such as `bank_a.move`. */
  readonly operation: string;
  readonly input: unknown;
  readonly summary: string | undefined;
}

/** What one participant is asked: whether it could, and then to do it. Its branch has the participant's name. */
export function canCommit<Input>(
  operation: OperationRef<ThreePhase<Input>>,
  input: NoInfer<Input>,
  { summary }: { readonly summary?: string } = {},
): ThreePhaseAsked {
  return { operation: operation.name, input, summary };
}

/** A three-phase commit as a workflow: start it with an input, and with options that override its own for this call. */
export type ThreePhaseWorkflow<Input, Result> = (input: Input, overrides?: ThreePhaseCall) => Promise<Result>;
