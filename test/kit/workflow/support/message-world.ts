import { Barred, StoredRejection, Suspended } from '../../../../src/kit/database/rejection.js';
import type { MessageSender } from '../../../../src/kit/client/index.js';
import { transactionalMessage } from '../../../../src/kit/direct/index.js';
import type { Operation } from '../../../../src/kit/workflow/branch.js';
import { Hearing, messageBody, type MessageParts } from '../../../../src/kit/workflow/message/body.js';
import type { Said } from '../../../../src/kit/workflow/message/protocol.js';
import type { Settle } from '../../../../src/kit/workflow/saga/definition.js';
import type { Call, Judgement, SagaDriver } from '../../../../src/kit/workflow/saga/driver.js';
import { SagaRun, type SagaOutcome } from '../../../../src/kit/workflow/saga/run.js';
import { MESSAGE } from '../../../../src/kit/workflow/saga/scheme.js';

/**
 * One transactional message, its producers, its producer's database and its subscribers, where everything that takes time waits for its
 * turn, and the plan says whose turn it is: so each plan is one interleaving, and repeats exactly. The message's rules and the
 * producers' call are those of the kit.
 */

/** What one attempt meets: it is done and answered; it never comes there; it is done, and its answer is lost; a definite no. */
export type Meets = 'ok' | 'fails' | 'lost' | 'refused';

/** A producer that sends the message; another one of the same message does the same. */
export interface Producer {
  /** At which of its steps it dies, if it does. */
  readonly diesAt: number | undefined;
  readonly local: 'ok' | 'refused' | 'fails' | 'lost';
}

export interface Plan {
  readonly producers: readonly Producer[];
  /** What is said to the message besides, by somebody who does not know. */
  readonly mistaken: readonly Said['how'][];
  readonly cancels: boolean;
  /** Whether its run is ended from outside, and settled. */
  readonly ends: boolean;
  /** How the checks and the subscribers fare, attempt by attempt; after that all is well. */
  readonly checks: readonly Exclude<Meets, 'refused'>[];
  readonly deliveries: readonly Meets[];
  /** Whose turn it is, each time. */
  readonly turns: readonly number[];
}

const TRIES = 2;
const SUBSCRIBERS = ['f', 'g'] as const;

/** Whoever waits for a turn. */
class Turns {
  readonly trace: string[] = [];
  #pending: { readonly label: string; readonly go: () => void }[] = [];

  turn(label: string): Promise<void> {
    return new Promise((go) => this.#pending.push({ label, go }));
  }

  async run(choices: readonly number[]): Promise<void> {
    for (let count = 0; ; count++) {
      // All that follows by itself from the last turn.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#pending.length === 0) return;
      if (count > 10_000) throw new Error(`it never ends: ${this.trace.slice(-20).join('; ')}`);
      const [next] = this.#pending.splice((choices[count] ?? 0) % this.#pending.length, 1);
      this.trace.push(next?.label ?? '');
      next?.go();
    }
  }
}

const never = () => new Promise<never>(() => undefined);

/** The guard's row of the local transaction, and who keeps its key meanwhile. */
class LocalDatabase {
  row: 'applied' | 'rejected' | 'barred' | undefined;
  applied = 0;
  #held: Promise<void> | undefined;
  readonly #turns: Turns;

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  #isFree(): boolean {
    return this.#held === undefined;
  }

  async #released(): Promise<void> {
    await this.#held;
  }

  #hold(): () => void {
    let release: () => void = () => undefined;
    this.#held = new Promise((resolve) => (release = resolve));
    return () => {
      this.#held = undefined;
      release();
    };
  }

  /** The local transaction of a producer. */
  async apply(operation: Operation, local: Producer['local'], step: (what: string) => Promise<void>): Promise<string> {
    await step('begins');
    while (!this.#isFree()) await this.#released();
    if (this.row !== undefined) return this.#found(operation);
    const release = this.#hold();
    try {
      await step('works').catch(async (died: unknown) => {
        // The server notices some time.
        await this.#turns.turn('the connection of the dead is noticed');
        throw died;
      });
      if (local === 'ok' || local === 'lost') {
        this.row = 'applied';
        this.applied++;
      }
    } finally {
      release();
    }
    if (local === 'refused') {
      await step('stores its no');
      while (!this.#isFree()) await this.#released();
      this.row ??= 'rejected';
      return this.#found(operation);
    }
    if (local === 'fails') throw new Error('it failed');
    await step('committed');
    if (local === 'lost') throw new Error('its reply was lost');
    return 'result';
  }

  #found(operation: Operation): string {
    if (this.row === 'barred') throw new Suspended('barred');
    if (this.row === 'rejected') throw new StoredRejection('Refused', operation.branch);
    return 'result';
  }

  /** A check-back. */
  async settle(operation: Operation): Promise<string> {
    while (!this.#isFree()) await this.#released();
    this.row ??= 'barred';
    if (this.row === 'barred') throw new Barred(operation);
    return this.#found(operation);
  }
}

class Unanswered extends Error {}

/** How it ended. */
export interface Ended {
  readonly state: string;
  readonly row: LocalDatabase['row'];
  readonly applied: number;
  /** How often each subscriber has it. */
  readonly had: Readonly<Record<string, number>>;
  /** What each producer heard; nothing of one that died. */
  readonly heard: readonly string[];
  readonly trace: readonly string[];
}

export class MessageWorld {
  readonly #plan: Plan;
  readonly #turns = new Turns();
  readonly #database = new LocalDatabase(this.#turns);
  readonly #had: Record<string, number> = {};
  readonly #done = new Set<string>();
  readonly #checks: Plan['checks'][number][];
  readonly #deliveries: Meets[];
  readonly #heard: string[] = [];
  #run: Running | undefined;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#checks = [...plan.checks];
    this.#deliveries = [...plan.deliveries];
  }

  async play(): Promise<Ended> {
    const { producers, mistaken, cancels, ends, turns } = this.#plan;
    for (const [place, producer] of producers.entries()) void this.#produce(place, producer);
    const later = (label: string, happens: () => void) => void this.#turns.turn(label).then(happens);
    // What is said of a message that nobody has prepared yet is said to nobody.
    for (const how of mistaken) {
      const said: Said = how === 'confirm' ? { how } : { how, why: 'a mistake' };
      later(`somebody says ${how}`, () => void this.#run?.say(said));
    }
    if (cancels) later('somebody cancels', () => this.#run?.stop('Cancelled'));
    const end = () => {
      this.#end();
    };
    if (ends) later('its run is ended', end);
    await this.#turns.run(turns);
    return {
      state: this.#run?.state ?? 'never prepared',
      row: this.#database.row,
      applied: this.#database.applied,
      had: this.#had,
      heard: this.#heard,
      trace: this.#turns.trace,
    };
  }

  /** Sends the message as a process would; one that has died does nothing any more. */
  async #produce(place: number, { diesAt, local }: Producer): Promise<void> {
    let steps = 0;
    const step = async (what: string): Promise<void> => {
      await this.#turns.turn(`producer ${place} ${what}`);
      if (steps++ === diesAt) throw new Dead();
    };
    const alive = async <T>(work: () => Promise<T>): Promise<T> =>
      work().catch((error: unknown) => (error instanceof Dead ? never() : Promise.reject(error as Error)));
    const sender: MessageSender<undefined, string> = {
      prepare: () =>
        alive(async () => {
          await step('prepares');
          const run = (this.#run ??= this.#start());
          await step('has prepared');
          const told = async (said: Said) => {
            await step(`says ${said.how}`);
            return (this.#run ?? run).say(said);
          };
          return {
            gid: 'message',
            local: { operation: 'letters.turn', input: 'turn' },
            hasEnded: run.state !== 'running' && run.state !== 'stuck',
            confirm: () =>
              alive(async () => {
                if ((await told({ how: 'confirm' })) !== 'sent') throw new Error('withdrawn');
                return true;
              }),
            withdraw: (why) =>
              alive(async () => {
                if ((await told({ how: 'withdraw', why })) !== 'sent') throw new Error('withdrawn');
                return { local: 'result' };
              }),
            result: () =>
              run.state === 'committed' ? Promise.resolve('done') : Promise.reject(new Error('withdrawn')),
          };
        }),
    };
    const work = (operation: Operation) => alive(() => this.#database.apply(operation, local, step));
    const timeless = { localRetries: 0, timeoutMs: 2 ** 30 };
    await transactionalMessage(sender, undefined, work, timeless).then(
      () => this.#heard.push('sent'),
      (error: unknown) => this.#heard.push(error instanceof Error ? error.message : ''),
    );
  }

  #start(settle?: Settle): Running {
    const run = new Running((call) => this.#call(call), this.#turns, settle);
    if (settle === undefined) void this.#turns.turn('a minute is over').then(() => run.stop('DeadlineExceeded'));
    return run;
  }

  #end(): void {
    const run = this.#run;
    if (run === undefined || run.isOver) return;
    run.isEnded = true;
    const settle: Settle = { failedAt: 0, reason: 'ended by a test' };
    void this.#turns.turn('it is settled').then(() => (this.#run = this.#start(settle)));
  }

  async #call(call: Call): Promise<unknown> {
    const { branch, profile } = call;
    const operation: Operation = {
      ...{ ...branch, function: call.operation, driver: 'workflow', who: 'worker', attempt: 1 },
      ...{ timeoutMs: 1, signal: new AbortController().signal },
    };
    for (let attempt = 1; profile !== 'checkBack' || attempt <= TRIES; attempt++) {
      await this.#turns.turn(`${branch.branch} is asked`);
      const meets = (profile === 'checkBack' ? this.#checks : this.#deliveries).shift() ?? 'ok';
      if (meets === 'fails') continue;
      const answer = profile === 'checkBack' ? this.#database.settle(operation) : this.#deliver(branch.branch, meets);
      const settled = await answer.then(
        (result) => ({ result }),
        (error: unknown) => ({ error }),
      );
      await this.#turns.turn(`${branch.branch} answers`);
      if (meets === 'lost') continue;
      if ('error' in settled) throw settled.error;
      return settled.result;
    }
    throw new Unanswered();
  }

  /** A subscriber's guard: done once, a no is a no. */
  async #deliver(branch: string, meets: Meets): Promise<string> {
    const [name = ''] = branch.split('~');
    if (meets === 'refused' && !this.#done.has(branch)) {
      this.#done.add(`no to ${branch}`);
    }
    if (this.#done.has(`no to ${branch}`)) throw new StoredRejection('Refused', branch);
    if (!this.#done.has(branch)) this.#had[name] = (this.#had[name] ?? 0) + 1;
    this.#done.add(branch);
    return Promise.resolve('had');
  }
}

/** A producer's process is killed. */
class Dead extends Error {}

/** One run of the message's workflow. */
class Running implements SagaDriver {
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
      local: { operation: 'letters.turn', input: 'turn', summary: undefined },
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
