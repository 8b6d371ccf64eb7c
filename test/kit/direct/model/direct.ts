import { decide, tell, type Answer, type Databases, type Work } from './databases.js';
import type { Without } from './guards.js';
import { asked, goesOn, worksOf, type Add, type Body } from './moves.js';
import { begin, endOf } from './runs.js';
import type { Caller, DirectCall, Driver, Late, Outcome, State } from './state.js';

type Act = (what: string, change: (state: State, call: DirectCall) => void) => void;

/**
 * What a caller's process can do next, and what the database may still get of what it has sent. None of it is certain: it
 * may pause or die at any point.
 */
export class DirectCalls {
  readonly #without: Without;
  readonly #databases: Databases;
  readonly #body: Body;

  constructor(without: Without, databases: Databases, body: Body) {
    this.#without = without;
    this.#databases = databases;
    this.#body = body;
  }

  moves(state: State, index: number, add: Add): void {
    const { name, at, step, home, late } = callOf(state, index);
    const owner = this.#ownerOf(name);
    const act: Act = (what, change) => {
      add(`${name} ${what}`, (next) => {
        change(next, callOf(next, index));
      });
    };
    /** It waits no more for the SQL transaction that is at hand, which may arrive later or not at all. */
    const giveUp = (sent: Late['what']) => {
      act(`gives up waiting: ${sent} ${step}`, (_, call) => {
        call.late ??= { what: sent, step };
        this.#unknown(call);
      });
    };
    switch (at) {
      case 'step':
        for (const work of worksOf(state, step)) {
          act(`asks for ${asked(step, work)}`, (next, call) => {
            this.#answered(next, call, this.#ask(next, call, work));
          });
        }
        giveUp('step');
        break;
      case 'store':
        act(`stores that step ${step} was refused`, (next, call) => {
          this.#answered(next, call, this.#databases.storeRejection(next, step, owner, home === undefined));
        });
        giveUp('store');
        break;
      case 'announce':
        act('announces the transaction', (next, call) => {
          if (this.#databases.announce(next, step, owner)) this.#announced(call);
          else goTo(call, 'follow', step);
        });
        break;
      case 'commit':
        act('commits', (next, call) => {
          this.#ended(next, call, this.#commit(next, call));
        });
        giveUp('commit');
        break;
      case 'decide':
        act('decides to undo', (next, call) => {
          if (!this.#databases.decideUndo(next, homeOf(call), owner)) goTo(call, 'follow', homeOf(call));
          else goTo(call, 'undo', step - 1);
        });
        giveUp('decide');
        break;
      case 'undo':
        act(`undoes step ${step}`, (next, call) => {
          this.#databases.undo(next, step, owner);
          if (step > homeOf(call)) goTo(call, 'undo', step - 1);
          else goTo(call, 'end', step);
        });
        giveUp('undo');
        break;
      case 'end':
        act('ends the undo', (next, call) => {
          this.#ended(next, call, this.#endUndo(next, call));
        });
        giveUp('end');
        break;
      case 'fate':
        act('writes the fate', (next, call) => {
          this.#databases.writeFate(next, this.#databases.databaseOf(homeOf(call)), 'committed', homeOf(call));
          this.#tell(next, call, 'committed');
        });
        break;
      case 'hand over':
        act('hands over', (next, call) => {
          if (this.#handOver(next, call)) goTo(call, 'start', homeOf(call));
          else goTo(call, 'follow', homeOf(call));
        });
        act('gives up waiting: hand over', (_, call) => {
          call.lateHandOver = true;
          goTo(call, 'start', homeOf(call));
        });
        break;
      case 'start':
        act('starts the workflow', (next, call) => {
          begin(next, this.#without, step);
          goTo(call, 'follow', step);
        });
        break;
      case 'follow': {
        const outcome = this.learned(state, step);
        if (outcome !== undefined) {
          act(`learns that it is ${outcome}`, (next, call) => {
            // The end of another input is none of its own: it hears that.
            if (!next.workflow.foreign) tell(next, outcome);
            goTo(call, 'told', 0);
          });
        }
        break;
      }
      case 'told':
        break;
    }
    if ((at === 'step' && home !== undefined && step > home) || at === 'commit') {
      act('sees its body throw', (_, call) => {
        goTo(call, 'decide', at === 'commit' ? step + 1 : step);
      });
    }
    if (late !== undefined) this.#arrives(state, late, act);
    if (callOf(state, index).lateHandOver) {
      act('late: hand over', (next, call) => {
        call.lateHandOver = false;
        this.#handOver(next, call);
      });
    }
  }

  /** What a caller that follows finds: the fate, or else the workflow's outcome. */
  learned(state: State, step: number): Outcome | undefined {
    return this.#databases.fateAt(state, step) ?? endOf(state.workflow, this.#without);
  }

  /** What a caller does that knows nothing of what it has asked for. */
  #unknown(call: DirectCall): void {
    const { at, step, home } = call;
    if (at === 'step' && home !== undefined && this.#without.has('unknown: no decision')) goTo(call, 'decide', step);
    else if (at === 'commit' && this.#without.has('unknown commit: no other decision')) goTo(call, 'decide', step + 1);
    else if (home !== undefined) goTo(call, 'hand over', home);
    else goTo(call, this.#without.has('unknown first step: the workflow is started') ? 'follow' : 'start', step);
  }

  #arrives(state: State, { what, step }: Late, act: Act): void {
    const arrives = (work: Work) => {
      act(`late: ${what === 'step' ? asked(step, work) : `${what} ${step}`}`, (next, call) => {
        call.late = undefined;
        const owner = this.#ownerOf(call.name);
        switch (what) {
          case 'step':
            if (this.#ask(next, { ...call, step }, work) === 'refused') call.late = { what: 'store', step };
            break;
          case 'store':
            this.#databases.storeRejection(next, step, owner, call.home === undefined);
            break;
          case 'commit':
            this.#commit(next, call);
            break;
          case 'decide':
            this.#databases.decideUndo(next, homeOf(call), owner);
            break;
          case 'undo':
            this.#databases.undo(next, step, owner);
            break;
          case 'end':
            this.#endUndo(next, call);
            break;
        }
      });
    };
    for (const work of what === 'step' ? worksOf(state, step) : (['succeeds'] as const)) arrives(work);
  }

  #ask(state: State, { name, step, home }: DirectCall, work: Work): Answer {
    const owner = this.#ownerOf(name);
    if (home !== undefined || this.#without.has('first step: announced in its transaction')) {
      return this.#databases.action(state, step, owner, work);
    }
    return this.#databases.firstStep(state, step, owner, work);
  }

  #answered(state: State, call: DirectCall, answer: Answer): void {
    const { step, home } = call;
    if (answer === 'applied') this.#applied(call);
    else if (answer === 'elsewhere') goTo(call, 'follow', step);
    else if (answer === 'refused' && !this.#without.has('rejection: stored')) goTo(call, 'store', step);
    // A definite no.
    else if (home !== undefined) goTo(call, 'decide', step);
    else if (goesOn(this.#body, step)) goTo(call, 'step', step + 1);
    else this.#tell(state, call, 'undone');
  }

  #applied(call: DirectCall): void {
    const { step, home } = call;
    if (home === undefined && this.#without.has('first step: announced in its transaction')) {
      goTo(call, 'announce', step);
    } else this.#announced(call);
  }

  #announced(call: DirectCall): void {
    const { step } = call;
    call.home ??= step;
    if (step === this.#body.steps - 1) goTo(call, 'commit', step);
    else goTo(call, 'step', step + 1);
  }

  #ended(state: State, call: DirectCall, won: boolean): void {
    const { at, step } = call;
    if (!won) goTo(call, 'follow', homeOf(call));
    else if (at === 'end') this.#tell(state, call, 'undone');
    else if (this.#without.has('commit: the fate with the delete')) goTo(call, 'fate', step);
    else this.#tell(state, call, 'committed');
  }

  /** The one statement that commits. @returns whether it did */
  #commit(state: State, call: DirectCall): boolean {
    const owner = this.#ownerOf(call.name);
    const home = homeOf(call);
    const database = this.#databases.databaseOf(home);
    const anyOwner = this.#without.has('commit: owner = me');
    const anyState = this.#without.has('commit: state = running');
    const gone = this.#databases.delete(
      state,
      database,
      (found) => (anyOwner || found.owner === owner) && (anyState || found.state === 'running'),
    );
    if (gone === undefined) return this.#without.has('commit: only if the row went');
    decide(state, owner, 'committed', gone);
    if (this.#without.has('commit: the fate with the delete')) return true;
    this.#databases.writeFate(state, database, 'committed', home);
    return true;
  }

  /** The one statement that ends the undo. @returns whether it did */
  #endUndo(state: State, call: DirectCall): boolean {
    const owner = this.#ownerOf(call.name);
    const home = homeOf(call);
    const database = this.#databases.databaseOf(home);
    const anyOwner = this.#without.has('end of the undo: owner = me');
    const anyState = this.#without.has('end of the undo: state = undoing');
    const gone = this.#databases.delete(
      state,
      database,
      (found) => (anyOwner || found.owner === owner) && (anyState || found.state === 'undoing'),
    );
    if (gone !== undefined) this.#databases.writeFate(state, database, 'undone', home);
    return gone !== undefined;
  }

  #tell(state: State, call: DirectCall, outcome: Outcome): void {
    tell(state, outcome);
    goTo(call, 'told', 0);
  }

  #handOver(state: State, call: DirectCall): boolean {
    const announced = this.#databases.announced(state, homeOf(call));
    const owner = this.#ownerOf(call.name);
    if (announced === undefined) return false;
    if (announced.owner !== owner && !this.#without.has('hand over: owner = me')) return false;
    announced.owner = 'W';
    return true;
  }

  #ownerOf(caller: Caller): Driver {
    return this.#without.has('owner: fresh for each call') ? 'D1' : caller;
  }
}

function goTo(call: DirectCall, at: DirectCall['at'], step: number): void {
  call.at = at;
  call.step = step;
}

function homeOf({ home }: DirectCall): number {
  if (home === undefined) throw new Error('nothing was announced');
  return home;
}

function callOf(state: State, index: number): DirectCall {
  const call = state.calls[index];
  if (call === undefined) throw new RangeError(`there is no call ${index}`);
  return call;
}
