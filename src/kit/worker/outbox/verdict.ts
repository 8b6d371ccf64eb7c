import { messageOf } from '../../database/message.js';
import type { Lane, Waiting } from '../../database/outbox/stream.js';
import { NotYet, Poison } from '../../messages/sink.js';
import { backoffMs, type RelayRules } from './rules.js';

/** A delivery that failed. */
export interface FailedDelivery {
  readonly message: Waiting;
  readonly error: Error;
}

/** What follows from it. */
export interface Verdict {
  readonly error: string;
  /** When it is tried again, in milliseconds from now; undefined: it is a dead letter. */
  readonly againInMs: number | undefined;
  /** It is tried on though its window is over, as its sink says that it can be delivered one day. */
  readonly isLate: boolean;
}

/** When a message that could not be delivered is tried again, or that it never is. @param lane that it is in */
export function verdictOn({ message, error }: FailedDelivery, lane: Lane | undefined, rules: RelayRules): Verdict {
  const isSame = lane?.messages[0]?.seq === message.seq;
  const attempts = isSame ? lane.attempts + 1 : 1;
  const failedForMs = isSame ? (lane.failedForMs ?? 0) : 0;
  const isOver = failedForMs >= rules.windowMs;
  const isPatient = error instanceof NotYet;
  // Time in which nothing could be delivered counts, too: so it takes some attempts as well.
  const isDead = error instanceof Poison || (isOver && attempts >= rules.leastAttempts && !isPatient);
  return {
    error: messageOf(error),
    againInMs: isDead ? undefined : backoffMs(rules, attempts),
    isLate: isOver && isPatient,
  };
}
