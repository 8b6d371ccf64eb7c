import { setTimeout as delay } from 'node:timers/promises';
import type { PlacedOrder, PlaceOrder, PlaceOrderInput } from '../../src/contracts/place-order.js';
import {
  ServerUnavailable,
  TransactionCompensated,
  TransactionPending,
  type StartOptions,
  type Transaction,
} from '../../src/kit/client/index.js';

/** What a customer was told of an order, after asking as often as it took. */
export interface Answer {
  readonly orderId: string;
  readonly told: 'placed' | 'undone' | 'stuck' | 'error';
  /** The type of the first error of an order that was undone, or what the error said. */
  readonly reason?: string;
  /** From the first call to the answer. */
  readonly ms: number;
  /** How often the customer had to ask again because the server could not be reached. */
  readonly askedAgain: number;
}

/** What {@link askForOrders} needs. */
export interface Asking {
  readonly placeOrder: Transaction<PlaceOrderInput, PlacedOrder>;
  readonly optionsOf: (index: number) => StartOptions;
  /** Orders under way at a time. */
  readonly concurrency: number;
  /** Told before an order is asked for the first time. */
  readonly onAsked: (orderId: string) => void;
  readonly onAnswer: (answer: Answer) => void;
  /** Nobody asks any more. */
  readonly signal: AbortSignal;
}

/** Before a customer asks again, in milliseconds. */
const PAUSE_MS = 200;

/**
 * Asks for every order until the answer is definite. An order is asked for again, with the same input, when the server
 * could not be reached or the order had not ended: that is safe, because a gid runs once.
 */
export async function askForOrders(orders: readonly PlaceOrder[], asking: Asking): Promise<void> {
  const { concurrency, onAsked, onAnswer, optionsOf, signal } = asking;
  const waiting = orders.entries();
  const customer = async () => {
    for (const [index, order] of waiting) {
      onAsked(order.orderId);
      const answer = await askForOrder(order, optionsOf(index), asking);
      if (signal.aborted || answer === undefined) return;
      onAnswer(answer);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, customer));
}

async function askForOrder(
  order: PlaceOrder,
  options: StartOptions,
  { placeOrder, signal }: Asking,
): Promise<Answer | undefined> {
  const begun = performance.now();
  let askedAgain = 0;
  const answer = (told: Answer['told'], reason?: string): Answer => {
    return { orderId: order.orderId, told, reason, ms: Math.round(performance.now() - begun), askedAgain };
  };
  while (!signal.aborted) {
    try {
      await placeOrder(order, { ...options, wait: '30 seconds' });
      return answer('placed');
    } catch (error) {
      if (error instanceof TransactionCompensated) return answer('undone', error.report.cause.type);
      if (error instanceof ServerUnavailable) {
        askedAgain += 1;
        await delay(PAUSE_MS);
      } else if (error instanceof TransactionPending) {
        if (error.state === 'stuck') return answer('stuck');
      } else {
        return answer('error', error instanceof Error ? `${error.name}: ${error.message}` : String(error));
      }
    }
  }
  return undefined;
}
