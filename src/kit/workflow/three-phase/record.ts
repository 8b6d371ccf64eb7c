import type { Knowledge } from '../branch.js';
import type { Desk } from '../desk.js';
import type { FailureNote, TransactionReport } from '../failure.js';
import type { Judgement } from '../saga/driver.js';
import type { SecondState } from '../view.js';
import type { AgentStatus, Telling, ThreePhaseBranch, Times } from './protocol.js';

/** What carries a run: a workflow, or a test. */
export interface ThreePhaseDriver {
  readonly gid: string;
  readonly desk: Desk;
  readonly times: Times;
  /** When all have to be prepared, in milliseconds since 1970. */
  readonly deadlineAt?: number;
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Says something to the agent of a branch, or waits for its outcome: within so many milliseconds, or patiently, for a window.
   * Rejects where it is not known what became of it.
   */
  tell(branch: BranchRecord, message: Telling['message'], within: number | 'patiently'): Promise<AgentStatus>;
  /** Says what is known of a message that failed. */
  judge(error: unknown): Judgement;
  /**
   * How a split ended at another desk: a scan had the agents compared while nobody served this run. `undefined`: at none.
   * Rejects where that waits for a person still, or it could not be looked for.
   */
  elsewhere(): Promise<TransactionReport | undefined>;
  /** Told after each change. */
  changed(): void;
}

/** One branch, and all that is known of it. */
export interface BranchRecord extends ThreePhaseBranch {
  readonly seq: number;
  startedAt: number;
  endedAt?: number;
  /** What is known of its vote: the answers to `canCommit` and `preCommit`. */
  vote: 'running' | Knowledge;
  failure?: FailureNote;
  second?: { readonly op: 'commit' | 'rollback'; state: SecondState; failure?: FailureNote };
  /** Where its agent stands, as far as it is known. */
  status?: AgentStatus;
}

/** Why an agent has aborted, if it did not say so. */
export function aborted({ by = 'coordinator' }: AgentStatus): FailureNote {
  return { type: 'Aborted', message: by === 'nobody' ? 'its agent does not exist' : `it was aborted, by ${by}` };
}

/** Whether an agent is not there any more that was there before: how it ended is not known then. */
export function isGone({ status: before }: BranchRecord, { by }: AgentStatus): boolean {
  return by === 'nobody' && before !== undefined;
}
