import type { FailureNote } from '../failure.js';

/** What the producer of a transactional message and its workflow say to each other. Pure. */

/** The branch of the producer's local transaction, where a message names no other. */
export const LOCAL_BRANCH = 'local';

/** When nothing is heard of the producer for so long, its database is asked. */
export const CHECK_AFTER = '1 minute';

/** The update by which the producer says that its local transaction is committed; answered with a {@link MessageDecision}. */
export const CONFIRM_UPDATE = 'confirm';
/** The update by which it says, with why, that it is not; answered with a {@link MessageDecision}. */
export const WITHDRAW_UPDATE = 'withdraw';

/** What the producer said. Either only makes its database be asked at once: that decides. */
export type Said = { readonly how: 'confirm' } | { readonly how: 'withdraw'; readonly why: string };

/**
 * What became of a message.
 * - `sent`: its local transaction is committed, and it comes to every subscriber. `local`: what that transaction gave.
 * - `withdrawn`: its local transaction is not there, and never will be; nobody gets it.
 * - `left`: nobody could find out, and a person left it at that; nobody gets it.
 */
export type MessageDecision =
  { readonly state: 'sent'; readonly local?: unknown } | ({ readonly state: 'withdrawn' | 'left' } & FailureNote);
