import { StoredRejection } from '../../../../src/kit/database/rejection.js';
import type { MessageSender } from '../../../../src/kit/client/index.js';
import { transactionalMessage } from '../../../../src/kit/direct/index.js';
import type { Operation } from '../../../../src/kit/workflow/branch.js';
import type { Said } from '../../../../src/kit/workflow/message/protocol.js';
import type { Settle } from '../../../../src/kit/workflow/saga/definition.js';
import type { Call } from '../../../../src/kit/workflow/saga/driver.js';
import { LocalDatabase, type Local } from './message-database.js';
import { never, Running, Unanswered } from './message-run.js';
import { Turns } from './turns.js';

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
  readonly local: Local;
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
