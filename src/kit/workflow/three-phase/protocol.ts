import type { Branch } from '../branch.js';
import type { FailureNote } from '../failure.js';

/**
 * What the coordinator of a three-phase commit and the agents of its participants say to each other. Pure: workflows,
 * activities and whoever looks from outside import it.
 *
 * A participant's agent is a workflow of its own, in the participant's namespace and on its task queue, with a timer and a
 * decision of its own. A message is an update of that workflow, sent by an activity of the coordinator's worker with a client of
 * the participant's Temporal server. Not a signal, which the coordinator's server would keep and deliver sooner or later: in a
 * three-phase commit a message that is not heard in time means something, so it has to be one that can be lost. The worker may
 * stop before it sends, the network between it and the other server may be cut, and the other side may have no worker that
 * hears; an update that nobody has accepted is kept nowhere.
 */

/**
 * What the coordinator says.
 * - `canCommit`: could you? Starts the agent. Nothing is held.
 * - `preCommit`: all could: prepare, and be ready to commit by yourself.
 * - `doCommit`: all are prepared: commit.
 * - `abort`: undo what you have prepared, and prepare nothing more.
 */
export const messages = ['canCommit', 'preCommit', 'doCommit', 'abort'] as const;
export type Message = (typeof messages)[number];

/**
 * Where an agent stands: `asked` → `ready` (it could commit, and holds nothing) → `prepared` (it holds all it needs) →
 * `committed`; or `aborted`, from any but the last. The last two are kept for ever.
 */
export type AgentState = 'asked' | 'ready' | 'prepared' | 'committed' | 'aborted';

/**
 * Who decided what an agent did.
 * - `coordinator`: it was told.
 * - `timer`: its own, as it had heard nothing for so long; or it was ended from outside before anything was prepared.
 * - `earlier`: an earlier run of it, which was ended from outside when it had begun to do so: told, or by its timer.
 * - `participant`: the participant said no.
 * - `person`: at the desk.
 * - `nobody`: the agent never heard of the transaction, so it has done nothing. If it hears of it later, its timer aborts it.
 */
export type DecidedBy = 'coordinator' | 'timer' | 'earlier' | 'participant' | 'person' | 'nobody';

/** What an agent answers to each message, and its workflow's result. */
export interface AgentStatus {
  readonly state: AgentState;
  /** Present once it is decided. */
  readonly by?: DecidedBy;
  /** Why it was aborted, or what has come in the way. */
  readonly failure?: FailureNote;
}

/** The times of a transaction, in milliseconds. */
export interface Times {
  /** How long the participant may take to look, and to prepare. */
  readonly answerMs: number;
  /** How long it waits for `preCommit` before it aborts, and then for `doCommit` before it commits. */
  readonly timeoutMs: number;
  /** How long its commit or rollback is tried before it waits for a person. */
  readonly windowMs: number;
}

/** One participant's part. */
export interface ThreePhaseBranch extends Pick<Branch, 'branch'> {
  /** The operation's name, such as `bank_a.move`. */
  readonly operation: string;
  readonly input: unknown;
  readonly summary: string;
}

/** What an agent is started with. */
export interface AgentOrder extends ThreePhaseBranch, Times, Pick<Branch, 'gid' | 'seq'> {
  /** All branches of the transaction, this one too: whoever finds an agent whose coordinator is gone can find the others. */
  readonly of: readonly BranchName[];
}

/** A branch, and where its participant is. */
export type BranchName = Pick<ThreePhaseBranch, 'branch' | 'operation'>;

/** What can be read of an agent in the server's list. */
export type AgentMemo = Pick<AgentOrder, 'gid' | 'of'>;

/** What {@link COMPARE_AGENTS} is asked. */
export interface CompareOrder extends AgentMemo {
  /** How it is known that the coordinator is gone. */
  readonly reason: string;
}

/** The type of the workflow that compares the agents of a transaction whose coordinator is gone. */
export const COMPARE_AGENTS = 'compareAgents';

/** Its workflow id. */
export function comparisonId(gid: string): string {
  return `${gid}/agents`;
}

/** Where it is looked for that: at the addresses of these participants. */
export interface ComparisonOf {
  readonly gid: string;
  readonly participants: readonly string[];
}

/**
 * The activity that looks for it; answered with how it ended, undefined if there is none or all have committed. Fails while it
 * runs still, as {@link AT_ANOTHER_DESK}, and where that cannot be looked for.
 */
export const FIND_COMPARISON = 'backstitch.findComparison';

/** The type of that failure. */
export const AT_ANOTHER_DESK = 'AtAnotherDesk';

/** What the activity is asked: to say something to an agent, or (`outcome`) to wait for what it did. */
export interface Telling {
  readonly message: Message | 'outcome';
  readonly gid: string;
  readonly branch: string;
  /** The participant whose address is used, such as `bank_a`. */
  readonly participant: string;
  /** With `canCommit`, and with `outcome` if it is to settle where there is none: what the agent is started with. */
  readonly order?: AgentOrder;
}

/** The activity by which a message is sent; answered with the {@link AgentStatus}. */
export const TELL_AGENT = 'backstitch.tellAgent';

/** The type of the agents' workflow. */
export const THREE_PHASE_AGENT = 'threePhaseAgent';

/** The workflow id of an agent. */
export function agentId(gid: string, branch: string): string {
  return `${gid}/${branch}`;
}

/** Whether an agent has come to its end. */
export function isEnded({ state }: AgentStatus): boolean {
  return state === 'committed' || state === 'aborted';
}
