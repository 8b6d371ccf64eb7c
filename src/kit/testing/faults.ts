import { UNDOS } from '../database/guard/rows.js';
import type { Op } from '../workflow/branch.js';

/**
 * What the matrix lets go wrong. Each kind strikes one operation of one branch, at a point of an attempt.
 */

/**
 * The points of an attempt: before the participant's function runs; in the guard, when its row is written and the work
 * is not begun (`working`), and when the work is done and not committed (`worked`); after the function has returned.
 */
export type Point = 'before' | 'working' | 'worked' | 'after';

/**
 * - `dies-before`: the first attempt dies before the work.
 * - `dies-after`: the first attempt dies after the commit, before the reply.
 * - `no-reply`: the first attempt is done, and no answer comes until it times out.
 * - `unheard`: every attempt is done, or was before, and dies before its reply, until the fault is lifted.
 * - `hangs`: every attempt times out, and nothing is done, until the fault is lifted.
 * - `late`: the first attempt hangs, and arrives when all is over: an action after its own undo (every further attempt
 *   hangs meanwhile), anything else after a further attempt was done.
 * - `refused`: a definite no; of an undo: refused at every attempt, until the fault is lifted.
 * - `fails-twice`: two attempts fail when the work is done and not committed.
 * - `fails`: every attempt does so, until the fault is lifted.
 * - `cancelled-before`, `-after`: the caller cancels at this point of the first attempt.
 * - `deadline-before`, `-after`: the deadline passes at this point.
 * - `killed-before`, `-after`: the worker is killed (SIGKILL) at this point of the first attempt.
 * - `terminated-before`, `-after`: the run is terminated at this point of the first attempt, and then settled. Before:
 *   the attempt arrives when the settling run has ended.
 */
export const faultKinds = [
  ...(['dies-before', 'dies-after', 'no-reply', 'unheard', 'hangs', 'late'] as const),
  ...(['refused', 'fails-twice', 'fails'] as const),
  ...(['cancelled-before', 'cancelled-after', 'deadline-before', 'deadline-after'] as const),
  ...(['killed-before', 'killed-after', 'terminated-before', 'terminated-after'] as const),
] as const;

/**
 * Those of transactions that a caller's process drives: another driver comes, at this point of the first attempt.
 * - `taken-over-before`, `-after`: the process stands still at this point, a relay takes the transaction over, and the
 *   process goes on when the workflow has ended.
 * - `raced-before`, `-after`: a relay takes it over, and the process goes on at once: both drive.
 * - `rival-before`, `-after`: another caller asks for the same transaction, in the durable lane, and both go on.
 */
export const callerFaultKinds = [
  ...(['taken-over-before', 'taken-over-after', 'raced-before', 'raced-after'] as const),
  ...(['rival-before', 'rival-after'] as const),
] as const;

/**
 * Those of transactions that a group drives, at this point of the first attempt.
 * - `rival-direct-before`, `-after`: another caller's process begins to drive the same transaction itself.
 * - `rival-group-before`, `-after`: another caller asks for the same transaction, and another group has it too.
 * - `rival-undone-before`, `-after`: another caller asks for a workflow and cancels it; the group goes on when
 *   that has ended, and has undone what was done.
 * - `caller-killed-before`, `-after`: the process that asked for it is killed (SIGKILL), and no worker.
 */
export const groupFaultKinds = [
  ...(['rival-direct-before', 'rival-direct-after', 'rival-group-before', 'rival-group-after'] as const),
  ...(['rival-undone-before', 'rival-undone-after'] as const),
  ...(['caller-killed-before', 'caller-killed-after'] as const),
] as const;

/**
 * Those of three-phase commits, where `terminated-` is the coordinator's run.
 * - `agent-ended-before`, `-after`: the run of the participant's agent is terminated at this point of the first attempt, and
 *   then settled. Before: the attempt arrives when the transaction has ended.
 */
export const agentFaultKinds = ['agent-ended-before', 'agent-ended-after'] as const;

export type FaultKind =
  | (typeof faultKinds)[number]
  | (typeof callerFaultKinds)[number]
  | (typeof groupFaultKinds)[number]
  | (typeof agentFaultKinds)[number];

/** What is asked of a branch: a row of the table. */
export type MatrixOperation =
  | ('action' | 'compensation' | 'amends' | 'pivot' | 'forward')
  | ('try' | 'confirm' | 'cancel')
  | ('canCommit' | 'prepare' | 'commit' | 'rollback');

/** A fault of a case. */
export interface MatrixFault {
  readonly step: string;
  readonly operation: MatrixOperation;
  readonly kind: FaultKind;
  /** It is there to bring about an undo. */
  readonly trigger?: true;
}

/** Which of a branch's operations it is: a look, what is done first, its undo, or its confirm or commit. */
export type Which = 'look' | 'first' | 'undo' | 'confirm';

/** Of an operation as a row of the table, or as a participant is asked for it. */
export function whichOf(operation: MatrixOperation | Op): Which {
  if (operation === 'confirm' || operation === 'commit') return 'confirm';
  if (operation === 'canCommit') return 'look';
  return UNDOS.some((undo) => undo === operation) ? 'undo' : 'first';
}

/** Whether an operation is an undo. */
export function isUndo(operation: MatrixOperation): boolean {
  return whichOf(operation) === 'undo';
}

/** Whether an operation is one that an undo can follow. */
export function canBeUndone(operation: MatrixOperation): boolean {
  return operation === 'action' || operation === 'try' || operation === 'prepare';
}

/** Whether a fault lasts until it is lifted, and so brings what cannot be undone, and an undo, to the desk. */
export function lasts({ kind, operation }: MatrixFault): boolean {
  if (kind === 'late') return canBeUndone(operation);
  if (kind === 'refused') return !canBeUndone(operation) && operation !== 'pivot' && operation !== 'canCommit';
  return kind === 'hangs' || kind === 'fails' || kind === 'unheard';
}

/** Whether a fault kills a process. */
export function kills(fault: MatrixFault): boolean {
  return killsCaller(fault) || fault.kind === 'killed-before' || fault.kind === 'killed-after';
}

/** Whether a fault kills the process that asked for the transaction. */
export function killsCaller({ kind }: MatrixFault): boolean {
  return kind === 'caller-killed-before' || kind === 'caller-killed-after';
}

/**
 * Whether a deadline is given at the start, and waited for: past the pivot and in the undo none can be set.
 *
 * @param always none can be set at all, once it has begun
 */
export function waitsForDeadline({ kind, operation }: MatrixFault, always: boolean): boolean {
  return (kind === 'deadline-before' || kind === 'deadline-after') && (always || !canBeUndone(operation));
}

/**
 * Whether the participants of a three-phase commit may decide differently by a fault, as docs/3pc.md says: its coordinator's run ends
 * between two `preCommit`s, or before every `abort` has arrived. Not once all are prepared.
 *
 * @param last the step that is prepared last
 */
export function maySplit({ kind, operation, step }: MatrixFault, last: string | undefined): boolean {
  if (operation === 'rollback') return kind.startsWith('terminated-');
  if (operation !== 'prepare') return false;
  return kind === 'terminated-before' || (kind === 'terminated-after' && step !== last);
}

/** Whether an attempt stands still for long, and its driver must not give it up meanwhile. */
export function standsStill({ kind }: MatrixFault): boolean {
  return kind.startsWith('deadline-') || kind.startsWith('taken-over-');
}
