import { AsyncLocalStorage } from 'node:async_hooks';
import type { TransactionState } from '../../../../src/kit/workflow/branch.js';
import type { Call, Judgement, SagaDriver } from '../../../../src/kit/workflow/saga/driver.js';

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
}

class Refused extends Error {}
class Unanswered extends Error {}
class Cancelled extends Error {}

class Scope {
  cancelled = false;
  readonly #listeners = new Set<() => void>();
  constructor(parent?: Scope) {
    parent?.onCancel(() => {
      this.cancel();
    });
  }
  cancel(): void {
    this.cancelled = true;
    for (const listener of this.#listeners) listener();
  }
  onCancel(listener: () => void): () => void {
    if (this.cancelled) listener();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** One thing that was asked of a participant, in the order of asking. */
export interface Asked {
  readonly op: 'action' | 'compensation';
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
  readonly deadlineAt: number | undefined;
  readonly asked: Asked[] = [];
  readonly states: TransactionState[] = [];
  readonly effects = new Map<string, Effect>();
  readonly scope = new Scope();
  readonly #scripts: ReadonlyMap<string, Script>;
  readonly #queue: { at: number; order: number; happen: () => void }[] = [];
  #clock = 0;
  #order = 0;
  #inFlight = 0;

  constructor(scripts: ReadonlyMap<string, Script>, deadlineAt?: number) {
    this.deadlineAt = deadlineAt;
    this.#scripts = scripts;
  }

  /** Lets everything happen, until nothing is left to happen. */
  async settle(): Promise<void> {
    for (;;) {
      await new Promise(setImmediate);
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.#clock = next.at;
      next.happen();
    }
  }

  at(delay: number, happen: () => void): void {
    this.#queue.push({ at: this.#clock + delay, order: this.#order++, happen });
    this.#queue.sort((a, b) => a.at - b.at || a.order - b.order);
  }

  now(): number {
    return this.#clock;
  }

  changed(state?: TransactionState): void {
    if (state !== undefined) this.states.push(state);
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
    if (error instanceof Unanswered) return { knowledge: 'unknown', type: 'Timeout', message: error.message };
    if (error instanceof Cancelled) return { knowledge: 'unknown', type: 'Cancelled', message: error.message };
    throw error;
  }

  async call(call: Call): Promise<unknown> {
    const { branch, profile, args } = call;
    const op = branch.op === 'compensation' ? 'compensation' : 'action';
    const scope = profile === 'pivot' || profile === 'forward' ? new Scope() : this.#current();
    const step = branch.branch;
    const asked: Asked = { op, step, seq: branch.seq, inFlight: this.#inFlight, args, answer: undefined };
    this.asked.push(asked);
    if (op === 'action') this.#inFlight++;
    try {
      const result = await this.#send(call, op, scope);
      asked.answer = 'succeeded';
      return result;
    } catch (error) {
      asked.answer = error instanceof Refused ? 'rejected' : 'unknown';
      throw error;
    } finally {
      if (op === 'action') this.#inFlight--;
    }
  }

  async #send({ branch, profile, options }: Call, op: Asked['op'], scope: Scope): Promise<unknown> {
    const step = branch.branch;
    if (scope.cancelled) throw new Cancelled(`${step} was not sent`);
    const script = this.#scripts.get(step);
    if (script === undefined) throw new Error(`no script for ${step}`);
    const attempts = script[op];
    const limit = { action: 1 + (options.retries ?? 3), compensation: 5, pivot: 1_000, forward: 1_000 }[profile];
    for (let attempt = 0; ; attempt++) {
      const meets = attempts[Math.min(attempt, attempts.length - 1)] ?? attempts[0];
      try {
        return await this.#attempt(step, op, meets, script.cancelled, scope);
      } catch (error) {
        if (error instanceof Unanswered && attempt + 1 < limit && !isCancelled(scope)) continue;
        throw error;
      }
    }
  }

  effect(step: string): Effect {
    const effect = this.effects.get(step) ?? { state: 'none', barred: false, refused: false, times: 0 };
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
    const givenUp = await new Promise<boolean>((resolve) => {
      this.at(takes, () => resolve(false));
      if (whenCancelled === 'stops') scope.onCancel(() => resolve(true));
    });
    const perform = () => (op === 'action' ? this.#act(step, meets === 'refuse') : this.#undo(step));
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
    if (effect.barred || effect.state === 'undone') throw new Refused(`${step} came after its undo`);
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

  /** The guard's undo. */
  #undo(step: string): string {
    const effect = this.effect(step);
    if (effect.state === 'applied') effect.state = 'undone';
    effect.barred = true;
    return 'undone';
  }
}

function quietly(perform: () => unknown): void {
  try {
    perform();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
}

/** A scope is cancelled by others, while this one waits. */
function isCancelled(scope: Scope): boolean {
  return scope.cancelled;
}
