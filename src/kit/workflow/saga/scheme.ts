import type { Op, Scheme } from '../branch.js';
import type { Vote } from '../participant.js';
import type { Lane, StepOptions } from './definition.js';
import type { StepKind } from './ledger.js';

/** What a scheme calls the operations of its branches: a run is the same for every scheme that can be told so. */
export interface Ops {
  readonly scheme: Scheme;
  /** What a branch does first. */
  readonly first: Op;
  /** What undoes that, or keeps it from ever happening. */
  readonly undo: Op;
  /** What every branch does once it is decided that all of it stands. Absent: nothing, as its first operation was all. */
  readonly confirm?: Op;
  /** Whether nothing more has to be done with a branch, by what its first operation gave. Absent: never. */
  readonly isDone?: (result: unknown) => boolean;
  /**
   * What is decided is carried out, however late, and no person turns it round: what waits for the decision holds locks, and an
   * operation of the other decision may still be on its way.
   */
  readonly decidesOnce?: true;
  /** Its pivot is another's to do, and is only looked at here: what is not there is barred. */
  readonly looksAtPivot?: true;
  /** Its deadline is over before anybody who is told that it is near could do anything. */
  readonly hasShortDeadline?: true;
  /** The lanes that it can take. Absent: all that a workflow of its own can. */
  readonly lanes?: readonly Lane[];
}

export const SAGA: Ops = { scheme: 'saga', first: 'action', undo: 'compensation' };
export const TCC: Ops = { scheme: 'tcc', first: 'try', undo: 'cancel', confirm: 'confirm' };
/** Votes after which a participant is not asked again: what is no vote is taken for a yes. */
const DONE: readonly Vote[] = ['read-only', 'committed'];
/** Durable: a local activity would end what is prepared before the decision is in the history. */
export const TWO_PHASE: Ops = {
  ...{ scheme: '2pc', first: 'prepare', undo: 'rollback', confirm: 'commit' },
  isDone: (vote) => DONE.includes(vote as Vote),
  ...{ decidesOnce: true, hasShortDeadline: true, lanes: ['durable'] },
};

/** Its pivot is the local transaction of its producer. */
export const MESSAGE: Ops = {
  ...{ scheme: 'message', first: 'action', undo: 'compensation', looksAtPivot: true },
  ...{ hasShortDeadline: true, lanes: ['durable'] },
};

/** What a step of this kind does first. What goes forward is an action in every scheme: it is never held, nor undone. */
export function firstOp({ first }: Ops, kind: StepKind): Op {
  return kind === 'forward' ? 'action' : first;
}

/** What undoes a step with these options. */
export function undoOp({ undo }: Ops, { amends }: StepOptions): Op {
  return amends === true ? 'amends' : undo;
}
