import { Barred, StoredRejection } from '../../../../src/kit/database/rejection.js';
import { Hearing, messageBody, type MessageParts } from '../../../../src/kit/workflow/message/body.js';
import type { Said } from '../../../../src/kit/workflow/message/protocol.js';
import type { Settle } from '../../../../src/kit/workflow/saga/definition.js';
import type { Call, Judgement, SagaDriver } from '../../../../src/kit/workflow/saga/driver.js';
import { SagaRun, type SagaOutcome } from '../../../../src/kit/workflow/saga/run.js';
import { MESSAGE } from '../../../../src/kit/workflow/saga/scheme.js';
import type { Turns } from './turns.js';

const SUBSCRIBERS = ['f', 'g'] as const;

export const never = () => new Promise<never>(() => undefined);

/** Nobody has answered. */
export class Unanswered extends Error {}

/** One run of the message's workflow. */
export class Running implements SagaDriver {
  readonly gid = 'message';
  readonly isAlone = true;
  readonly deadlineAt = undefined;
  /** It was ended from outside: nobody hears of what it has asked. */
  isEnded = false;
  readonly #hearing = new Hearing();
  readonly #call: (call: Call) => Promise<unknown>;
  readonly #turns: Turns;
  readonly #run: SagaRun<undefined, string>;
  #outcome: SagaOutcome<string> | undefined;
  #hear: { readonly resolve: () => void; readonly reject: (why: Error) => void } | undefined;
  #now = 0;

  constructor(call: (call: Call) => Promise<unknown>, turns: Turns, settle?: Settle) {
    this.#call = call;
    this.#turns = turns;
    const parts: MessageParts = {
      local: { operation: 'letters.turn', input: 'turn', branch: 'local', summary: undefined },
      to: SUBSCRIBERS.map((name) => ({ name, operation: `letters.${name}`, input: name, options: {} })),
    };
    const heard = () =>
      settle ? Promise.resolve() : new Promise<void>((resolve, reject) => (this.#hear = { resolve, reject }));
    const body = messageBody<undefined, string>(
      parts,
      { hearing: this.#hearing, heard, retries: undefined },
      () => 'done',
    );
    this.#run = new SagaRun<undefined, string>(this, { settle }, MESSAGE);
    void this.#run.execute(body, undefined).then((outcome) => (this.#outcome = outcome));
  }

  get isOver(): boolean {
    return this.#outcome !== undefined;
  }

  get state(): string {
    return this.#run.state;
  }

  /** @returns what became of it, once that is decided; of a run that was ended nobody hears */
  async say(said: Said): Promise<string> {
    this.#hearing.said ??= said;
    this.#hear?.resolve();
    while (this.#hearing.decision === undefined || this.isEnded) {
      if (this.isEnded) return never();
      await new Promise((resolve) => this.#waiting.add(resolve));
    }
    return this.#hearing.decision.state;
  }
  readonly #waiting = new Set<(value: unknown) => void>();

  stop(why: 'Cancelled' | 'DeadlineExceeded'): void {
    this.#run.stop(why);
    this.#hear?.reject(new Error(why));
  }

  now(): number {
    return this.#now++;
  }

  async call(call: Call): Promise<unknown> {
    try {
      const result = await this.#call(call);
      return this.isEnded ? await never() : result;
    } catch (error) {
      if (this.isEnded) return never();
      throw error;
    }
  }

  judge(error: unknown): Judgement {
    if (!(error instanceof Error)) throw error;
    const note = { type: error.name, message: error.message };
    if (error instanceof Barred) return { knowledge: 'rejected', ...note, settled: { kind: 'barred' } };
    if (error instanceof StoredRejection) return { knowledge: 'rejected', ...note };
    if (error instanceof Unanswered) return { knowledge: 'unknown', ...note };
    throw error;
  }

  shielded<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  group<T>(work: (cancel: () => void) => Promise<T>): Promise<T> {
    return work(() => undefined);
  }

  resumed(): undefined {
    return undefined;
  }

  cancelled(): boolean {
    return false;
  }

  changed(): void {
    for (const wake of this.#waiting) wake(undefined);
    this.#waiting.clear();
  }

  stuck({ branch }: { readonly branch: string }): void {
    void this.#turns.turn(`a person has ${branch} tried again`).then(() => {
      const isOpen = this.#run.desk.cases.some((open) => open.branch === branch);
      if (isOpen) this.#run.desk.decide({ branch, action: 'retry', actor: 'ann', reason: 'a test' });
    });
  }

  windowPassed(): undefined {
    return undefined;
  }

  overdue(): string {
    return 'nothing was heard';
  }
}
