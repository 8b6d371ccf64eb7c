import type { Without } from './guards.js';
import type { Announcement, Driver, Outcome, State, Step } from './state.js';

/** Whether the work of a step, this time, can be done: another attempt may hear another answer, until one is stored. */
export type Work = 'succeeds' | 'rejects';

/**
 * What a step's driver hears.
 *
 * - `applied`: now or before; `rejected`: that is stored; `suspended`: it is barred or undone
 * - `refused`: rolled back, and not stored yet: nothing is definite
 * - `elsewhere`, to a caller that would announce the transaction: somebody else has it
 */
export type Answer = 'applied' | 'rejected' | 'suspended' | 'refused' | 'elsewhere';

/** The participants' databases: each method is one SQL transaction, or part of one, and changes the state at once. */
export class Databases {
  readonly #without: Without;
  readonly #databaseOf: readonly number[];

  /** @param databaseOf by step: where it is done */
  constructor(without: Without, databaseOf: readonly number[]) {
    this.#without = without;
    this.#databaseOf = databaseOf;
  }

  databaseOf(step: number): number {
    const database = this.#databaseOf[step];
    if (database === undefined) throw new RangeError(`there is no step ${step}`);
    return database;
  }

  /** The announcement in the database of a step. */
  announced(state: State, step: number): Announcement | undefined {
    return state.announcements[this.databaseOf(step)];
  }

  /** The fate that the database of a step has. */
  fateAt(state: State, step: number): Outcome | undefined {
    const database = this.databaseOf(step);
    return state.steps.find(({ row }, other) => row?.fate && this.databaseOf(other) === database)?.row?.fate;
  }

  /** A step's action, by its guard. */
  action(state: State, number: number, driver: Driver, work: Work): Answer {
    const step = stepOf(state, number);
    const { row } = step;
    if (row === undefined) {
      if (work === 'rejects') return 'refused';
      takeEffect(state, number);
      step.row = { phase1: 'applied', driver, undone: false, fate: undefined };
      return 'applied';
    }
    if (row.phase1 === 'rejected') return 'rejected';
    if (row.phase1 === 'barred') {
      if (!this.#without.has('action: refused by a bar')) return 'suspended';
      if (step.effect === 'none') takeEffect(state, number);
      return 'applied';
    }
    return row.undone && !this.#without.has('action: refused after its undo') ? 'suspended' : 'applied';
  }

  /** The first step of a caller: claims its row and announces the transaction, or neither. */
  firstStep(state: State, number: number, owner: Driver, work: Work): Answer {
    const { row } = stepOf(state, number);
    if (row?.phase1 === 'rejected' && row.fate === undefined) return 'rejected';
    if (row !== undefined && !this.#without.has('first step: nothing on an existing guard key')) return 'elsewhere';
    const isAnnounced = this.announced(state, number) !== undefined;
    if (isAnnounced && !this.#without.has('first step: nothing on an existing announcement')) return 'elsewhere';
    const answer = this.action(state, number, owner, work);
    if (answer === 'applied') this.announce(state, number, owner);
    return answer;
  }

  /** @returns whether it was not announced before */
  announce(state: State, step: number, owner: Driver): boolean {
    if (this.announced(state, step) !== undefined) return false;
    state.announcements[this.databaseOf(step)] = { branch: step, owner, state: 'running' };
    return true;
  }

  /** The second transaction of a step that was refused: what is stored counts. @param announces it would be the first */
  storeRejection(state: State, number: number, driver: Driver, announces: boolean): Answer {
    const step = stepOf(state, number);
    step.row ??= { phase1: 'rejected', driver, undone: false, fate: undefined };
    if (step.row.phase1 === 'rejected') return 'rejected';
    if (this.#without.has('rejection: what is stored before it counts')) return 'rejected';
    return announces ? 'elsewhere' : this.action(state, number, driver, 'rejects');
  }

  /** A step's undo, by its guard: undoes it or bars it, once. */
  undo(state: State, number: number, driver: Driver): void {
    const step = stepOf(state, number);
    const { row } = step;
    if (row === undefined) {
      if (!this.#without.has('undo: bars')) step.row = { phase1: 'barred', driver, undone: true, fate: undefined };
      return;
    }
    if (row.undone && !this.#without.has('undo: once')) return;
    row.undone = true;
    if (row.phase1 !== 'applied') return;
    if (step.effect !== 'there') state.wrong ??= `I3: step ${number} is undone, and had no effect to undo`;
    step.effect = 'taken back';
  }

  /** A step that is only looked at: barred, where it is not there. */
  look(state: State, number: number, driver: Driver): 'applied' | 'rejected' | 'barred' {
    const step = stepOf(state, number);
    if (step.row === undefined && this.#without.has('look: bars')) return 'barred';
    step.row ??= { phase1: 'barred', driver, undone: false, fate: undefined };
    return step.row.phase1;
  }

  /** @returns whether the announcement was the caller's to change */
  decideUndo(state: State, home: number, owner: Driver): boolean {
    const announced = this.announced(state, home);
    if (announced === undefined) return false;
    if (announced.owner !== owner && !this.#without.has('undoing: owner = me')) return false;
    if (announced.state !== 'running' && !this.#without.has('undoing: state = running')) return false;
    decide(state, owner, 'undone', announced);
    announced.state = 'undoing';
    return true;
  }

  /** Deletes the announcement of a database if it is as it must be, and returns it. */
  delete(state: State, database: number, isMine: (announced: Announcement) => boolean): Announcement | undefined {
    const announced = state.announcements[database];
    if (announced === undefined || !isMine(announced)) return undefined;
    state.announcements[database] = undefined;
    return announced;
  }

  /** Writes the fate onto the row of the step that announced, or of the first that the database has. */
  writeFate(state: State, database: number, fate: Outcome, branch?: number): void {
    const rows = state.steps.map(({ row }, step) => (this.databaseOf(step) === database ? row : undefined));
    const row = branch === undefined ? rows.find((found) => found !== undefined) : rows[branch];
    if (row !== undefined) row.fate = fate;
  }
}

/** Somebody decides: nobody else may have before, nor may anybody else be the owner. */
export function decide(state: State, by: Driver, outcome: Outcome, announced: Announcement | undefined): void {
  const before = state.decided;
  if (before !== undefined) state.wrong ??= `I4: ${by} decides (${outcome}), and ${before.by} has (${before.outcome})`;
  const owner = announced?.owner ?? by;
  if (owner !== by) state.wrong ??= `I4: ${by} decides (${outcome}), and ${owner} is the owner`;
  state.decided ??= { by, outcome };
}

/** A caller gets its answer. */
export function tell(state: State, outcome: Outcome): void {
  state.told ??= outcome;
  if (state.told !== outcome) state.wrong ??= `I2: one caller is told ${state.told}, another ${outcome}`;
}

export function stepOf(state: State, number: number): Step {
  const step = state.steps[number];
  if (step === undefined) throw new RangeError(`there is no step ${number}`);
  return step;
}

function takeEffect(state: State, number: number): void {
  const step = stepOf(state, number);
  if (step.effect === 'there') state.wrong ??= `I1: step ${number} has its effect twice`;
  if (step.effect === 'taken back') state.wrong ??= `I3: step ${number} has its effect after its undo`;
  step.effect = 'there';
}
