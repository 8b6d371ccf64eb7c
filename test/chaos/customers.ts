import { isDeepStrictEqual } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import type { Wanted } from './business/business.js';
import type { Told } from './caller-protocol.js';
import type { Callers } from './callers.js';
import type { Lane } from './faults.js';

/** What a customer was told, after asking as often as it took. */
export interface Answer {
  readonly gid: string;
  readonly told: Exclude<Told['told'], 'again'>;
  /** The type of the first error of what was undone, or what the error said. */
  readonly reason?: string;
  /** From the first call to the answer. */
  readonly ms: number;
  /** How often the customer had to ask again. */
  readonly askedAgain: number;
}

/** What {@link askForAll} needs. */
export interface Asking {
  readonly callers: Pick<Callers, 'ask'>;
  /** Transactions under way at a time. */
  readonly concurrency: number;
  /** Told before a transaction is asked for the first time. */
  readonly onAsked: (gid: string) => void;
  readonly onAnswer: (answer: Answer) => void;
  /** Told why an answer was none: the customer asks again. */
  readonly onAgain?: (gid: string, reason: string) => void;
  /** Told, in one line, of two answers for one transaction that differ. */
  readonly onContradiction: (line: string) => void;
  /** Nobody asks any more. */
  readonly signal: AbortSignal;
}

/** Before a customer asks again, in milliseconds. */
const PAUSE_MS = 200;
/** A customer who has heard nothing for so long asks another process, and goes on listening to the first. */
const PATIENCE_MS = 5_000;
/** What is still under way when every customer has an answer is heard for so long, in milliseconds. */
const LATE_MS = 45_000;

/**
 * Asks for every transaction until the answer is definite. It is asked for again, with the same input and in another
 * process, when the process that was asked has died, the server could not be reached, or it had not ended: that is
 * safe, because a gid runs once. Some are asked for twice from the beginning. Every answer that comes has to be the same.
 */
export async function askForAll(all: readonly Wanted[], asking: Asking): Promise<void> {
  const { concurrency, onAsked, onAnswer, signal } = asking;
  const waiting = all.entries();
  const late: Promise<void>[] = [];
  const ask = async () => {
    for (const [index, wanted] of waiting) {
      onAsked(wanted.gid);
      const customer = new Customer(wanted, index, asking);
      const answer = await customer.answer();
      late.push(customer.silence());
      if (signal.aborted || answer === undefined) return;
      onAnswer(answer);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, ask));
  await Promise.race([Promise.all(late), delay(LATE_MS, undefined, { ref: false })]);
}

/** One transaction, its customer, and everything that is asked for it. */
class Customer {
  readonly #wanted: Wanted;
  readonly #asking: Asking;
  readonly #begun = performance.now();
  readonly #asked: Promise<unknown>[] = [];
  #first: Told | undefined;
  #attempt: number;
  #askedAgain = 0;

  constructor(wanted: Wanted, index: number, asking: Asking) {
    this.#wanted = wanted;
    this.#attempt = index;
    this.#asking = asking;
  }

  /** The first definite answer; nothing, when nobody asks any more. */
  async answer(): Promise<Answer | undefined> {
    const { lane, rival } = this.#wanted.plan;
    await Promise.race([this.#ask(lane), ...(rival === undefined ? [] : [this.#ask(rival)])]);
    const first = this.#first;
    if (first === undefined || first.told === 'again') return undefined;
    return {
      gid: this.#wanted.gid,
      told: first.told,
      ...(first.told !== 'done' && { reason: first.reason }),
      ms: Math.round(performance.now() - this.#begun),
      askedAgain: this.#askedAgain,
    };
  }

  /** Resolves when every process that was asked has answered, or is gone. */
  async silence(): Promise<void> {
    await Promise.all(this.#asked);
  }

  /** Asks in one lane until there is a definite answer in any. */
  async #ask(lane: Lane): Promise<void> {
    const { callers, signal } = this.#asking;
    const { transaction, input, plan } = this.#wanted;
    const options = { lane, retries: plan.retries, deadline: plan.deadline };
    while (!signal.aborted) {
      const attempt = this.#attempt++;
      const asked = callers.ask({ transaction, input, options }, attempt).then((told) => {
        this.#note(told);
      });
      this.#asked.push(asked);
      await Promise.race([asked, delay(PATIENCE_MS, undefined, { ref: false })]);
      if (this.#first !== undefined) return;
      this.#askedAgain += 1;
      await delay(PAUSE_MS);
    }
  }

  #note(told: Told): void {
    if (told.told === 'again') {
      this.#asking.onAgain?.(this.#wanted.gid, told.reason);
      return;
    }
    const first = (this.#first ??= told);
    const same = told.told === first.told && (told.told !== 'done' || isDeepStrictEqual(told, first));
    if (same || told.told === 'stuck' || first.told === 'stuck') return;
    const said = (each: Told) => JSON.stringify(each);
    this.#asking.onContradiction(`${this.#wanted.gid}: told ${said(first)}, and then ${said(told)}`);
  }
}
