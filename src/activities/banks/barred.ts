import { Poison, Rejection, type Inbox, type Message } from '../../kit/database/index.js';

/**
 * Messages that an inbox is told to refuse before they come: by the row that a refused message has, with the highest number of a delivery.
 * Whoever delivers one hears it as a refusal, for as long as the inbox keeps its rows.
 */

const GIVEN_UP = 'GivenUp';
/** No delivery has a higher number: none can be applied after it. */
const LAST_ATTEMPT = 2 ** 31 - 1;

/**
 * Has an inbox refuse a message from now on. One that it handles just now is waited for.
 *
 * @returns false if it was handled before
 * @throws what the inbox throws: it is not known, ask again
 */
export async function bar(inbox: Inbox, message: Message, why: string): Promise<boolean> {
  try {
    await inbox.handle({ ...message, attempt: LAST_ATTEMPT }, () => Promise.reject(new Rejection(GIVEN_UP, why)));
    return false;
  } catch (error) {
    if (isBarred(error)) return true;
    throw error;
  }
}

/** Whether this is how an inbox refuses such a message. */
export function isBarred(error: unknown): boolean {
  return error instanceof Poison && error.cause instanceof Rejection && error.cause.type === GIVEN_UP;
}
