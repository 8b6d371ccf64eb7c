import { decide, stepOf, type Answer, type Databases, type Work } from './databases.js';
import type { Without } from './guards.js';
import { asked, goesOn, worksOf, type Add, type Body } from './moves.js';
import { goTo } from './runs.js';
import type { Announcement, Outcome, State, Workflow } from './state.js';

type Act = (what: string, change: (state: State, workflow: Workflow) => void, certain?: boolean) => void;

/** What the workflow does next, and what its attempts still do that it does not wait for any more. */
export class WorkflowRun {
  readonly #without: Without;
  readonly #databases: Databases;
  readonly #body: Body;

  constructor(without: Without, databases: Databases, body: Body) {
    this.#without = without;
    this.#databases = databases;
    this.#body = body;
  }

  moves(state: State, add: Add): void {
    const { at, step, outcome } = state.workflow;
    const act: Act = (what, change, certain = true) => {
      add(
        `W ${what}`,
        (next) => {
          change(next, next.workflow);
        },
        certain,
      );
    };
    switch (at) {
      case 'adopt':
      case 'adopt, having looked':
        act(at === 'adopt' ? 'adopts' : 'adopts, its second half', (next) => {
          this.#adopt(next);
        });
        break;
      case 'own':
        act('asks for the first step of its own', (_, workflow) => {
          workflow.own = 'there';
          goTo(workflow, 'step', 0);
        });
        break;
      case 'step':
        this.#asks(state, act);
        this.#mayStop(act);
        break;
      case 'look':
        act(`looks at step ${step}`, (next) => {
          this.#look(next);
        });
        break;
      case 'undo':
        act(`undoes step ${step}`, (next, workflow) => {
          this.#databases.undo(next, step, 'W');
          if (step > 0) goTo(workflow, 'undo', step - 1);
          else this.#end(next, 'undone');
        });
        break;
      case 'close':
        act(`closes: ${outcome}`, (next, workflow) => {
          const withFate = !this.#without.has('close: the fate with the delete');
          this.#close(next, withFate);
          goTo(workflow, withFate ? 'ended' : 'fate', 0);
        });
        act(`ends, and could not close: ${outcome}`, (_, workflow) => {
          goTo(workflow, 'ended', 0);
        });
        break;
      case 'fate':
        act('writes the fate', (next, workflow) => {
          this.#writeFate(next);
          goTo(workflow, 'ended', 0);
        });
        act('ends, and could not write the fate', (_, workflow) => {
          goTo(workflow, 'ended', 0);
        });
        break;
      case 'none':
      case 'ended':
        break;
    }
    this.#late(state, act);
  }

  /** An attempt at the step at hand, or the second half of one that was refused. */
  #asks(state: State, act: Act): void {
    const { step, refused } = state.workflow;
    const isRefused = isIn(refused, step);
    const isStored = stepOf(state, step).row !== undefined;
    for (const work of worksOf(state, step)) {
      const attempt = (next: State) => {
        this.#ask(next, work);
      };
      // An attempt that was refused stores that: another one may be made, or not.
      act(`asks for ${asked(step, work)}`, attempt, isStored || !isRefused);
    }
    if (!isRefused) return;
    act(`stores that step ${step} was refused`, (next) => {
      const { row } = stepOf(next, step);
      // Found stored: it counts as if the step had been asked for again.
      const counts = !this.#without.has('workflow: adopts what it meets when it stores a rejection');
      if (row !== undefined && counts && this.#meets(next)) return;
      this.#answered(next, this.#databases.storeRejection(next, step, 'W', false));
    });
  }

  /** What was sent and not answered may arrive, be refused, and be stored as that, whatever the workflow does by then. */
  #late(state: State, act: Act): void {
    const { sent, refused } = state.workflow;
    for (let step = 0; step < sent; step++) {
      const { row } = stepOf(state, step);
      // Nothing happens any more, whatever comes.
      if (row !== undefined && !this.#without.has('action: refused by a bar')) continue;
      for (const work of worksOf(state, step)) {
        const attempt = (next: State, workflow: Workflow) => {
          if (this.#databases.action(next, step, 'W', work) === 'refused') workflow.refused |= 1 << step;
        };
        act(`is not heard, or late: asks for ${asked(step, work)}`, attempt, false);
      }
      if (!isIn(refused, step)) continue;
      const store = (next: State) => {
        this.#databases.storeRejection(next, step, 'W', false);
      };
      act(`is not heard, or late: stores that step ${step} was refused`, store, false);
    }
    if (state.workflow.at !== 'ended') return;
    const close = (next: State) => {
      this.#close(next, true);
    };
    act('late: closes', close, false);
  }

  #ask(state: State, work: Work): void {
    const { workflow } = state;
    if (this.#meets(state)) return;
    const answer = this.#isOthers(state) ? 'rejected' : this.#databases.action(state, workflow.step, 'W', work);
    if (answer === 'refused' && !this.#without.has('rejection: stored')) workflow.refused |= 1 << workflow.step;
    else this.#answered(state, answer);
  }

  #answered(state: State, answer: Answer): void {
    const { workflow } = state;
    const { step } = workflow;
    if (answer !== 'applied') {
      if (answer !== 'suspended' && goesOn(this.#body, step)) goTo(workflow, 'step', step + 1);
      else this.#undoFrom(state, step - 1);
      return;
    }
    workflow.alone ||= isItsOwn(state);
    if (step < this.#body.steps - 1) {
      goTo(workflow, 'step', step + 1);
      return;
    }
    decide(state, 'W', 'committed', rival(state));
    this.#end(state, 'committed');
  }

  #mayStop(act: Act): void {
    const stop = (next: State) => {
      this.#stop(next);
    };
    act('is cancelled', stop, false);
  }

  /** It ends for another reason than a definite no: more may be done than it knows of. */
  #stop(state: State): void {
    const { workflow } = state;
    const { step, adopted, alone } = workflow;
    const looks =
      adopted === 0
        ? !alone && !this.#without.has('workflow: looks before it undoes while no step is known to be its own')
        : !this.#without.has('workflow: looks before it undoes what it adopted');
    if (looks) goTo(workflow, 'look', 0);
    // Whether that one is done is not known: its undo bars it.
    else this.#undoFrom(state, step);
  }

  #look(state: State): void {
    const { step } = state.workflow;
    if (this.#meets(state)) return;
    const found = this.#isOthers(state) ? 'rejected' : this.#databases.look(state, step, 'W');
    const isLast = step === this.#body.steps - 1;
    if (found === 'barred' || (found === 'rejected' && !goesOn(this.#body, step))) this.#undoFrom(state, step - 1);
    // It has asked for nothing after a step of its own that it did not know of, and nobody else has.
    else if (isLast || (found === 'applied' && isItsOwn(state))) this.#undoFrom(state, step);
    else goTo(state.workflow, 'look', step + 1);
  }

  /** Whether the step at hand was done with another input than the workflow has: a definite no, and nothing to undo. */
  #isOthers({ steps, workflow }: State): boolean {
    const row = steps[workflow.step]?.row;
    return workflow.foreign && row !== undefined && row.driver !== 'W';
  }

  /** Whether a step's row says that the transaction is or was another's: then the workflow does nothing with the step. */
  #meets(state: State): boolean {
    const { workflow } = state;
    const { step, adopted } = workflow;
    const { row } = stepOf(state, step);
    if (row?.fate !== undefined && !this.#without.has('workflow: obeys a fate that it meets')) {
      this.#endBy(state, row.fate);
      return true;
    }
    if (row === undefined || row.driver === 'W' || this.#without.has('workflow: adopts what it meets')) return false;
    const announced = this.#databases.announced(state, step);
    if (announced === undefined || isIn(adopted, this.#databases.databaseOf(step))) return false;
    if (announced.owner === 'W' && this.#without.has('workflow: adopts what it meets, whoever owns it')) return false;
    goTo(workflow, 'adopt', step);
    return true;
  }

  #adopt(state: State): void {
    const { workflow } = state;
    const { step, at } = workflow;
    const database = this.#databases.databaseOf(step);
    const fate = this.#databases.fateAt(state, step);
    const looksBefore = this.#without.has('adopt: looks for a fate in a new statement');
    if (fate !== undefined && !this.#without.has('adopt: looks for a fate') && !(looksBefore && at !== 'adopt')) {
      this.#endBy(state, fate);
      return;
    }
    if (looksBefore && at === 'adopt') {
      goTo(workflow, 'adopt, having looked', step);
      return;
    }
    let announced = state.announcements[database];
    if (announced === undefined) {
      announced = { branch: undefined, owner: 'W', state: 'running' };
      if (!this.#without.has('adopt: fences a first step that comes later')) state.announcements[database] = announced;
    } else if (announced.branch !== undefined && this.#refuses(workflow)) {
      this.#giveUp(workflow);
      return;
    } else if (!this.#without.has('adopt: takes the announcement')) announced.owner = 'W';
    workflow.adopted |= 1 << database;
    workflow.settles ||= announced.state === 'undoing' && !this.#without.has('adopt: obeys the state');
    // It begins anew, with what it knows now.
    goTo(workflow, workflow.settles ? 'look' : 'step', 0);
  }

  #undoFrom(state: State, step: number): void {
    // What the driver before had decided is not decided again.
    if (!state.workflow.settles) decide(state, 'W', 'undone', rival(state));
    if (step < 0) this.#end(state, 'undone');
    else goTo(state.workflow, 'undo', step);
  }

  #end({ workflow }: State, outcome: Outcome): void {
    workflow.outcome = outcome;
    if (outcome === 'undone' && workflow.own === 'there') workflow.own = 'taken back';
    goTo(workflow, workflow.adopted === 0 ? 'ended' : 'close', 0);
  }

  /** Ends as the transaction has ended before. */
  #endBy({ workflow }: State, fate: Outcome): void {
    if (this.#refuses(workflow)) {
      this.#giveUp(workflow);
      return;
    }
    workflow.outcome = fate;
    goTo(workflow, 'ended', 0);
  }

  #refuses({ foreign }: Workflow): boolean {
    return foreign && !this.#without.has('adopt: nothing of another input');
  }

  /** Ends as none of this transaction: it has decided nothing of it. */
  #giveUp(workflow: Workflow): void {
    const leaves = this.#without.has('other input: undoes what it did before it met the transaction');
    if (workflow.own === 'there' && !leaves) workflow.own = 'taken back';
    goTo(workflow, 'ended', 0);
  }

  #close(state: State, withFate: boolean): void {
    const { adopted, outcome } = state.workflow;
    if (outcome === undefined) return;
    state.announcements.forEach((_, database) => {
      if (!isIn(adopted, database)) return;
      const gone = this.#databases.delete(state, database, ({ owner }) => owner === 'W');
      if (gone && withFate) this.#databases.writeFate(state, database, outcome, gone.branch);
    });
  }

  #writeFate(state: State): void {
    const { adopted, outcome } = state.workflow;
    if (outcome === undefined) return;
    state.announcements.forEach((_, database) => {
      if (isIn(adopted, database)) this.#databases.writeFate(state, database, outcome);
    });
  }
}

/** Whether the step at hand, which is applied, shows that no caller can have the transaction. */
function isItsOwn({ steps, workflow }: State): boolean {
  return workflow.adopted === 0 && steps[workflow.step]?.row?.driver === 'W';
}

/** An announcement that a caller has. */
function rival({ announcements }: State): Announcement | undefined {
  return announcements.find((announced) => announced !== undefined && announced.owner !== 'W');
}

function isIn(bits: number, bit: number): boolean {
  return (bits & (1 << bit)) !== 0;
}
