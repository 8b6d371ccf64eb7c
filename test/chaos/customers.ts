import { isDeepStrictEqual } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import type { PlaceOrder } from '../../src/contracts/place-order.js';
import type { Told } from './caller-protocol.js';
import type { Callers } from './callers.js';
import type { Lane, OrderOptions } from './faults.js';

/** What a customer was told of an order, after asking as often as it took. */
export interface Answer {
  readonly orderId: string;
  readonly told: Exclude<Told['told'], 'again'>;
  /** The type of the first error of an order that was undone, or what the error said. */
  readonly reason?: string;
  /** From the first call to the answer. */
  readonly ms: number;
  /** How often the customer had to ask again. */
  readonly askedAgain: number;
}

/** What {@link askForOrders} needs. */
export interface Asking {
  readonly callers: Pick<Callers, 'ask'>;
  /** Of each order. */
  readonly options: readonly OrderOptions[];
  /** Orders under way at a time. */
  readonly concurrency: number;
  /** Told before an order is asked for the first time. */
  readonly onAsked: (orderId: string) => void;
  readonly onAnswer: (answer: Answer) => void;
  /** Told, in one line, of two answers for one order that differ. */
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
 * Asks for every order until the answer is definite. An order is asked for again, with the same input and in another
 * process, when the process that was asked has died, the server could not be reached, or the order had not ended: that is
 * safe, because a gid runs once. Some are asked for twice from the beginning. Every answer that comes has to be the same.
 */
export async function askForOrders(orders: readonly PlaceOrder[], asking: Asking): Promise<void> {
  const { concurrency, onAsked, onAnswer, signal } = asking;
  const waiting = orders.entries();
  const late: Promise<void>[] = [];
  const ask = async () => {
    for (const [index, order] of waiting) {
      const options = asking.options[index];
      if (options === undefined) throw new RangeError(`there are no options for order ${index}`);
      onAsked(order.orderId);
      const customer = new Customer(order, options, index, asking);
      const answer = await customer.answer();
      late.push(customer.silence());
      if (signal.aborted || answer === undefined) return;
      onAnswer(answer);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, ask));
  await Promise.race([Promise.all(late), delay(LATE_MS, undefined, { ref: false })]);
}

/** One order, its customer, and everything that is asked for it. */
class Customer {
  readonly #order: PlaceOrder;
  readonly #options: OrderOptions;
  readonly #asking: Asking;
  readonly #begun = performance.now();
  readonly #asked: Promise<unknown>[] = [];
  #first: Told | undefined;
  #attempt: number;
  #askedAgain = 0;

  constructor(order: PlaceOrder, options: OrderOptions, index: number, asking: Asking) {
    this.#order = order;
    this.#options = options;
    this.#attempt = index;
    this.#asking = asking;
  }

  /** The first definite answer; nothing, when nobody asks any more. */
  async answer(): Promise<Answer | undefined> {
    const { lane, rival } = this.#options;
    await Promise.race([this.#ask(lane), ...(rival === undefined ? [] : [this.#ask(rival)])]);
    const first = this.#first;
    if (first === undefined || first.told === 'again') return undefined;
    return {
      orderId: this.#order.orderId,
      told: first.told,
      ...(first.told !== 'placed' && { reason: first.reason }),
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
    const { retries, deadline } = this.#options;
    while (!signal.aborted) {
      const attempt = this.#attempt++;
      const asked = callers.ask({ order: this.#order, options: { lane, retries, deadline } }, attempt).then((told) => {
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
    if (told.told === 'again') return;
    const first = (this.#first ??= told);
    const same = told.told === first.told && (told.told !== 'placed' || isDeepStrictEqual(told, first));
    if (same || told.told === 'stuck' || first.told === 'stuck') return;
    const said = (each: Told) => JSON.stringify(each);
    this.#asking.onContradiction(`order ${this.#order.orderId}: told ${said(first)}, and then ${said(told)}`);
  }
}
