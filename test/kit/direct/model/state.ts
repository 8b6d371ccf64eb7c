/** How a transaction ends. */
export type Outcome = 'committed' | 'undone';
/** A call of the saga in some process: each call is an owner of its own. */
export type Caller = 'D1' | 'D2';
/** The workflow, or a caller. */
export type Driver = Caller | 'W';

/** Both guard rows of a step, which are locked together. */
export interface GuardRow {
  phase1: 'applied' | 'rejected' | 'barred';
  readonly driver: Driver;
  /** Phase 2 is there: it was undone, or there was nothing to undo. */
  undone: boolean;
  fate: Outcome | undefined;
}

export interface Step {
  row: GuardRow | undefined;
  /** What the step has done to the world, whatever the guard believes. */
  effect: 'none' | 'there' | 'taken back';
}

export interface Announcement {
  /** The step that announced the transaction; absent: the workflow was there first. */
  readonly branch: number | undefined;
  owner: Driver;
  state: 'running' | 'undoing';
}

/** An SQL transaction of a caller that it does not wait for any more: it may still reach the database, or not. */
export interface Late {
  readonly what: 'step' | 'store' | 'commit' | 'decide' | 'undo' | 'end';
  readonly step: number;
}

/** A caller's process. It may pause before each of these, for ever if it died. */
export interface DirectCall {
  readonly name: Caller;
  /**
   * - `step`: asks for a step; `store`: the step was refused, which has to be stored
   * - `commit`; `decide`: that it is undone; `undo`: a step; `end`: the final statement
   * - `hand over`: the announcement; `start`: the workflow
   * - `follow`: waits for what others decide; `told`: its caller has the answer
   * - `announce`, `fate`: only where a guard is missing
   */
  at:
    | 'step'
    | 'store'
    | 'commit'
    | 'decide'
    | 'undo'
    | 'end'
    | 'hand over'
    | 'start'
    | 'follow'
    | 'told'
    | 'announce'
    | 'fate';
  /** The step that this is about; with `decide`, the one that was not applied; with `follow`, where it looks. */
  step: number;
  /** The step that announced the transaction. */
  home: number | undefined;
  late: Late | undefined;
  /** The hand-over that it does not wait for any more. */
  lateHandOver: boolean;
}

/** The workflow under the gid: there is at most one, it never dies, and its activities are tried until they answer. */
export interface Workflow {
  /**
   * - `none`: not started
   * - `own`: asks for the step that another input has first
   * - `adopt`: takes the announcement in the database of a step over; `adopt, having looked`: only where a guard is missing
   * - `step`: asks for a step; `look`: settles one; `undo`: one
   * - `close`: deletes the announcement, writes the fate; `fate`: only where a guard is missing
   * - `ended`
   */
  at: 'none' | 'own' | 'adopt' | 'adopt, having looked' | 'step' | 'look' | 'undo' | 'close' | 'fate' | 'ended';
  step: number;
  /** Databases, as bits, whose announcement it has taken over. 0: an ordinary workflow that has met nobody. */
  adopted: number;
  /** It knows that a step is its own, so no caller can have the transaction. */
  alone: boolean;
  /** Its driver before had decided to undo. */
  settles: boolean;
  /** It was given another input than the callers. */
  foreign: boolean;
  /** Attempts of the steps before this one were sent; each may still arrive, any number of times. */
  sent: number;
  /** Steps, as bits, that an attempt of it was refused; what is due then is to store that. */
  refused: number;
  outcome: Outcome | undefined;
  /** It is a run that had ended by its own code before it came to any step, and that no announcement is known to. */
  older: boolean;
  /** The effect of the step that another input has first, and the callers' has not. */
  own: Step['effect'];
}

/** Everything: the participants' databases, the processes, and what was told. */
export interface State {
  readonly steps: Step[];
  /** By database: the key is the gid, so there is at most one. */
  readonly announcements: (Announcement | undefined)[];
  readonly calls: DirectCall[];
  workflow: Workflow;
  /** Who decided what, once somebody did. */
  decided: { readonly by: Driver; readonly outcome: Outcome } | undefined;
  /** The first answer that a caller got. */
  told: Outcome | undefined;
  /** What must never happen, and did with the move that led here. */
  wrong: string | undefined;
}

/** Written out, as it is done for every move. */
export function copy(state: State): State {
  const { steps, announcements, calls, workflow: run, decided, told, wrong } = state;
  return {
    steps: steps.map(({ row, effect }) => ({
      row: row && { phase1: row.phase1, driver: row.driver, undone: row.undone, fate: row.fate },
      effect,
    })),
    announcements: announcements.map((one) => one && { branch: one.branch, owner: one.owner, state: one.state }),
    calls: calls.map(({ name, at, step, home, late, lateHandOver }) => ({ name, at, step, home, late, lateHandOver })),
    workflow: {
      at: run.at,
      step: run.step,
      adopted: run.adopted,
      alone: run.alone,
      settles: run.settles,
      foreign: run.foreign,
      sent: run.sent,
      refused: run.refused,
      outcome: run.outcome,
      older: run.older,
      own: run.own,
    },
    decided,
    told,
    wrong,
  };
}

const WORDS = [
  ...([
    'none',
    'there',
    'taken back',
    'applied',
    'rejected',
    'barred',
    'committed',
    'undone',
    'running',
    'undoing',
  ] as const),
  ...(['W', 'D1', 'D2', 'step', 'store', 'commit', 'decide', 'undo', 'end', 'hand over', 'start', 'follow'] as const),
  ...(['told', 'announce', 'fate', 'adopt', 'adopt, having looked', 'look', 'close', 'ended', 'own'] as const),
] as const;
type Word = (typeof WORDS)[number];
const CODES = Object.fromEntries(WORDS.map((word, index) => [word, index + 1])) as Record<Word, number>;
const codeOf = (word: Word | undefined) => (word === undefined ? 0 : CODES[word]);
const numberOf = (number: number | undefined) => (number === undefined ? 0 : number + 1);

/** A letter for each of the parts: a text is a small key, and one that is quickly made. */
export function keyOf({ steps, announcements, calls, workflow, decided, told, wrong }: State): string {
  const key = [codeOf(told), codeOf(decided?.by), codeOf(decided?.outcome)];
  for (const { row, effect } of steps) {
    key.push(codeOf(effect), codeOf(row?.phase1), codeOf(row?.driver), Number(row?.undone ?? false), codeOf(row?.fate));
  }
  for (const one of announcements) key.push(codeOf(one?.owner), codeOf(one?.state), numberOf(one?.branch));
  for (const { at, step, home, late, lateHandOver } of calls) {
    key.push(codeOf(at), step, numberOf(home), codeOf(late?.what), numberOf(late?.step), Number(lateHandOver));
  }
  const { at, step, adopted, alone, settles, foreign, sent, refused, outcome, older, own } = workflow;
  key.push(codeOf(at), step, adopted, Number(alone), Number(settles), Number(foreign), sent, refused, codeOf(outcome));
  key.push(Number(older), codeOf(own));
  return String.fromCharCode(...key) + (wrong ?? '');
}
