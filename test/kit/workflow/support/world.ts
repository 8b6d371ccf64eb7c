import { AsyncLocalStorage } from 'node:async_hooks';
import type { TransactionState } from '../../../../src/kit/workflow/branch.js';
import type { DeskCase } from '../../../../src/kit/workflow/desk.js';
import type { FailureNote } from '../../../../src/kit/workflow/failure.js';
import type { Call, Judgement, SagaDriver } from '../../../../src/kit/workflow/saga/driver.js';
import { Scope } from './scope.js';
import { Time } from './time.js';

/**
 * A world for a saga's rules alone: participants with a guard each, a network that loses replies, and a clock that
 * jumps to the next thing that happens. Everything is decided by the scripts, so a run repeats exactly.
 */

/** What one attempt of an operation meets. */
export interface Attempt {
  /**
   * - `ok`: it is done and answered.
   * - `refuse`: a definite no, stored.
   * - `fail`: nothing is done, and nobody recorded that.
   * - `lost`: it is done, its answer is lost.
   * - `late`: the caller gives up before it arrives; it arrives `later`.
   */
  readonly meets: 'ok' | 'refuse' | 'fail' | 'lost' | 'late';
  /** How long the caller waits for the answer. */
  readonly takes: number;
  readonly later: number;
}

/** What a step meets: attempt by attempt; the last one again and again. */
export interface Script {
  readonly action: readonly [Attempt, ...Attempt[]];
  readonly compensation: readonly [Attempt, ...Attempt[]];
  /** What becomes of a running attempt that is cancelled: it ends as it would have, or it is given up at once. */
  readonly cancelled: 'finishes' | 'stops';
}

/** What a participant's database holds of a step. */
interface Effect {
  state: 'none' | 'applied' | 'undone';
  barred: boolean;
  refused: boolean;
  times: number;
  /** What a person has done or undone by hand, which no guard knows. */
  byHand: number;
  /** How often a person saw to it that nothing is on its way any more. */
  cleared: number;
}

class Refused extends Error {}
class Suspended extends Error {}
class Unanswered extends Error {}
class Cancelled extends Error {}
/** What a run that settles finds. */
class Settled extends Error {
  readonly found: NonNullable<Judgement['settled']>;
  constructor(found: NonNullable<Judgement['settled']>) {
    super(`it was ${found.kind}`);
    this.found = found;
  }
}

/** One thing that was asked of a participant, in the order of asking. */
export interface Asked {
  readonly op: 'action' | 'compensation' | 'settle';
  readonly step: string;
  readonly seq: number;
  /** Actions that were asked and not answered at this moment, this one not counted. */
  readonly inFlight: number;
  /** What follows the branch. */
  readonly args: readonly unknown[];
  /** How it was answered, once it was. */
  answer: 'succeeded' | 'rejected' | 'unknown' | undefined;
}

/** The scope that a call is made in. One for all worlds: each instance slows down every promise. */
const scopes = new AsyncLocalStorage<Scope>();

export class World implements SagaDriver {
  readonly gid = 'test';
  /** Whether nobody else can have made calls for its transaction. */
  isAlone = true;
  readonly deadlineAt: number | undefined;
  readonly asked: Asked[] = [];
  readonly states: TransactionState[] = [];
  readonly scope = new Scope();
  /** Who decides what waits at the desk. */
  person: (opened: DeskCase) => void = () => undefined;
  /** Its run was ended from outside: what is on its way arrives, and nobody hears of it. */
  ended = false;
  readonly #scripts: ReadonlyMap<string, Script>;
  readonly #time: Time;
  readonly effects: Map<string, Effect>;
  readonly #attempts = new Map<string, number>();
  /** How long its calls take, one after the other, instead of what the scripts say. */
  readonly #paces: readonly number[];
  #inFlight = 0;

  constructor(
    scripts: ReadonlyMap<string, Script>,
    deadlineAt?: number,
    before?: World,
    paces: readonly number[] = [],
  ) {
    this.#paces = paces;
    this.deadlineAt = deadlineAt;
    this.#scripts = scripts;
    this.#time = before === undefined ? new Time() : before.#time;
    this.effects = before?.effects ?? new Map<string, Effect>();
  }

  /** The same world for another run, after this one's was ended from outside. */
  successor(deadlineAt?: number, paces?: readonly number[]): World {
    this.ended = true;
    return new World(this.#scripts, deadlineAt, this, paces);
  }

  /** Lets everything happen, until nothing is left to happen, or until a time. */
  async settle(until = Infinity): Promise<void> {
    await this.#time.pass(until);
  }

  at(delay: number, happen: () => void): void {
    this.#time.at(delay, happen);
  }

  now(): number {
    return this.#time.now;
  }

  stuck(opened: DeskCase): void {
    this.person(opened);
  }

  windowPassed(): FailureNote | undefined {
    return undefined;
  }

  overdue(): string {
    return 'too late';
  }

  changed(state?: TransactionState): void {
    if (state !== undefined) this.states.push(state);
  }

  resumed(): undefined {
    return undefined;
  }

  cancelled(): boolean {
    return this.#current().cancelled;
  }

  #current(): Scope {
    return scopes.getStore() ?? this.scope;
  }

  shielded<T>(work: () => Promise<T>): Promise<T> {
    return scopes.run(new Scope(), work);
  }

  group<T>(work: (cancel: () => void) => Promise<T>): Promise<T> {
    const scope = new Scope(this.#current());
    return scopes.run(scope, () =>
      work(() => {
        scope.cancel();
      }),
    );
  }

  judge(error: unknown): Judgement {
    if (error instanceof Refused) return { knowledge: 'rejected', type: 'Refused', message: error.message };
    if (error instanceof Suspended) {
      return { knowledge: 'rejected', type: 'Suspended', message: error.message, suspended: true };
    }
    if (error instanceof Unanswered) return { knowledge: 'unknown', type: 'Timeout', message: error.message };
    if (error instanceof Settled) {
      return { knowledge: 'rejected', type: 'Settled', message: error.message, settled: error.found };
    }
    if (error instanceof Cancelled) return { knowledge: 'unknown', type: 'Cancelled', message: error.message };
    throw error;
  }

  async call(call: Call): Promise<unknown> {
    const { branch, profile, args } = call;
    const op = branch.settle === true ? 'settle' : branch.op === 'compensation' ? 'compensation' : 'action';
    const scope = ['pivot', 'forward', 'settle'].includes(profile) ? new Scope() : this.#current();
    const [step = '', renewed] = branch.branch.split('~');
    // Begun anew under another name: the definite no was the old one's.
    if (renewed !== undefined) this.effect(step).refused = false;
    const asked: Asked = { op, step, seq: branch.seq, inFlight: this.#inFlight, args, answer: undefined };
    this.asked.push(asked);
    if (op !== 'compensation') this.#inFlight++;
    try {
      const result = await this.#send(call, op, scope);
      asked.answer = 'succeeded';
      return result;
    } catch (error) {
      asked.answer = error instanceof Refused || error instanceof Suspended ? 'rejected' : 'unknown';
      throw error;
    } finally {
      if (op !== 'compensation') this.#inFlight--;
    }
  }

  async #send({ branch, profile, options }: Call, op: Asked['op'], scope: Scope): Promise<unknown> {
    const [step = ''] = branch.branch.split('~');
    if (scope.cancelled) throw new Cancelled(`${step} was not sent`);
    const script = this.#scripts.get(step);
    if (script === undefined) throw new Error(`no script for ${step}`);
    const attempts = op === 'settle' ? DEFINITE : script[op];
    const ofAction = 1 + (options.retries ?? 3);
    const limit = { action: ofAction, compensation: 5, pivot: 3, forward: 3, settle: 6, checkBack: 15 }[profile];
    for (let attempt = 0; ; attempt++) {
      const meets = attempts[Math.min(this.#made(step, op), attempts.length - 1)] ?? attempts[0];
      try {
        return await this.#attempt(step, op, meets, script.cancelled, scope);
      } catch (error) {
        if (error instanceof Unanswered && attempt + 1 < limit && !isCancelled(scope)) continue;
        throw error;
      }
    }
  }

  /** How many attempts were made before this one: a person's retry goes on where the script was. */
  #made(step: string, op: Asked['op']): number {
    const key = `${op} ${step}`;
    const made = this.#attempts.get(key) ?? 0;
    this.#attempts.set(key, made + 1);
    return made;
  }

  effect(step: string): Effect {
    const effect = this.effects.get(step) ?? {
      ...{ state: 'none' as const, barred: false, refused: false, times: 0, byHand: 0, cleared: 0 },
    };
    this.effects.set(step, effect);
    return effect;
  }

  async #attempt(
    step: string,
    op: Asked['op'],
    { meets, takes, later }: Attempt,
    whenCancelled: Script['cancelled'],
    scope: Scope,
  ): Promise<unknown> {
    const { cleared } = this.effect(step);
    const givenUp = await new Promise<boolean>((resolve) => {
      this.at(this.#paces[this.asked.length % this.#paces.length] ?? takes, () => resolve(false));
      if (whenCancelled === 'stops') scope.onCancel(() => resolve(true));
    });
    const perform = () => {
      if (this.effect(step).cleared > cleared) return undefined;
      if (op === 'settle') return this.#find(step);
      return op === 'action' ? this.#act(step, meets === 'refuse') : this.#undo(step);
    };
    if (this.ended) {
      // Nobody hears of it, but it arrives.
      if (meets !== 'fail') this.at(later, () => quietly(perform));
      return new Promise(() => undefined);
    }
    if (givenUp) {
      // What was on its way may arrive all the same.
      if (meets === 'late' || meets === 'lost') this.at(later, () => quietly(perform));
      throw new Cancelled(`${step} was cancelled`);
    }
    switch (meets) {
      case 'ok':
      case 'refuse':
        return perform();
      case 'fail':
        throw new Unanswered(`${step} failed`);
      case 'lost':
        quietly(perform);
        throw new Unanswered(`${step} did not answer`);
      case 'late':
        this.at(later, () => quietly(perform));
        throw new Unanswered(`${step} did not answer in time`);
    }
  }

  /** The guard's phase 1. */
  #act(step: string, refuse: boolean): string {
    const effect = this.effect(step);
    if (effect.barred || effect.state === 'undone') throw new Suspended(`${step} came after its undo`);
    if (effect.refused) throw new Refused(`${step} was refused before`);
    if (effect.state === 'none') {
      if (refuse) {
        effect.refused = true;
        throw new Refused(`${step} is refused`);
      }
      effect.state = 'applied';
      effect.times++;
    }
    return `result of ${step}`;
  }

  /** What the guard answers to a run that settles. */
  #find(step: string): string {
    const effect = this.effect(step);
    if (effect.state === 'applied') return `result of ${step}`;
    if (effect.state === 'undone') throw new Settled({ kind: 'undone', result: `result of ${step}` });
    if (effect.refused) throw new Refused(`${step} was refused before`);
    effect.barred = true;
    throw new Settled({ kind: 'barred' });
  }

  /** What a person does outside: the branch has no effect any more, or has it. Nothing is on its way any more then. */
  mend(step: string, effect: 'undone' | 'applied'): void {
    const known = this.effect(step);
    known.byHand += (effect === 'applied' ? 1 : 0) - this.net(step);
    known.cleared++;
  }

  /** How often a step's effect is there. */
  net(step: string): number {
    const { state, byHand } = this.effect(step);
    return (state === 'applied' ? 1 : 0) + byHand;
  }

  /** The guard's undo. */
  #undo(step: string): string {
    const effect = this.effect(step);
    if (effect.state === 'applied') effect.state = 'undone';
    effect.barred = true;
    return 'undone';
  }
}

const DEFINITE: readonly [Attempt, ...Attempt[]] = [
  { meets: 'lost', takes: 2, later: 1 },
  { meets: 'ok', takes: 1, later: 1 },
];

function quietly(perform: () => unknown): void {
  try {
    perform();
  } catch (error) {
    if (![Refused, Suspended, Settled].some((known) => error instanceof known)) throw error;
  }
}

/** A scope is cancelled by others, while this one waits. */
function isCancelled(scope: Scope): boolean {
  return scope.cancelled;
}
