import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { LookedOrder, PaymentAnswer } from '../contracts/events.js';
import { runJob } from '../kit/client/index.js';
import { NotKnown, NotReady } from './exit.js';
import type { Session } from './session.js';

/** What is asked about choreographed orders: nobody drives them, so it is asked where they are. */

/** The first pause between two looks, and the longest, in milliseconds. */
const FIRST_PAUSE_MS = 100;
const MOST_PAUSE_MS = 2_000;

/**
 * Asks the projection where an order is.
 *
 * @throws {@link NotReady}: one line, where it cannot be asked
 */
export async function lookAtOrder({ client, settings }: Session, orderId: string): Promise<LookedOrder> {
  try {
    return await runJob<LookedOrder>(client, settings, 'lookAtOrder', `look-at-order-${randomUUID()}`, [orderId]);
  } catch (error) {
    throw new NotReady(`where order ${orderId} is cannot be asked: ${(error as Error).message}`, error);
  }
}

/**
 * Makes the payment of an order that waits for it.
 *
 * @throws {@link NotKnown}: no answer came, so money may have moved
 */
export async function payOrder({ client, settings }: Session, orderId: string): Promise<PaymentAnswer> {
  try {
    return await runJob<PaymentAnswer>(client, settings, 'payOrder', `pay-order-${randomUUID()}`, [orderId]);
  } catch (error) {
    const why = (error as Error).message;
    throw new NotKnown(`it is not known whether order ${orderId} was paid: ask again, it is paid once (${why})`, error);
  }
}

/** What is known of an order when the wait for it is over. */
export interface FollowedOrder {
  /** Absent: nothing was heard of it meanwhile. */
  readonly looked?: LookedOrder;
  /** Why it could not be asked, the last time. */
  readonly failure?: string;
}

/** Asks until an order is final, needs a person, or waits for its customer, or until the time is over: in milliseconds since 1970. */
export async function followOrder(session: Session, orderId: string, until: number): Promise<FollowedOrder> {
  let known: FollowedOrder = {};
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MOST_PAUSE_MS)) {
    const looking = lookAtOrder(session, orderId).then(
      (looked): FollowedOrder => ({ looked }),
      (error: unknown): FollowedOrder => ({ ...known, failure: (error as Error).message }),
    );
    const found = await before(until, looking);
    if (found === undefined) return known;
    known = found;
    const { looked } = known;
    if (looked !== undefined && isToBeSaid(looked)) return known;
    if (Date.now() + pauseMs >= until) return known;
    await delay(pauseMs);
  }
}

/** The path of an order that is final may lack an event still: its end was heard of first. */
function isToBeSaid({ path, deadLetters }: LookedOrder): boolean {
  if (deadLetters.length > 0) return true;
  if (path === null) return false;
  if (path.waitsFor !== undefined) return path.waitsFor.who === 'customer';
  const heard = new Set(path.path.map(({ id }) => id));
  return path.path.every(({ cause }) => cause === null || heard.has(cause));
}

/** What comes before it is so late; nothing, if it does not. */
async function before<T>(until: number, coming: Promise<T>): Promise<T | undefined> {
  const over = new AbortController();
  try {
    const late = delay(Math.max(until - Date.now(), 0), undefined, { signal: over.signal }).catch(() => undefined);
    return await Promise.race([coming, late]);
  } finally {
    over.abort();
  }
}
