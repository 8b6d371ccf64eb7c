import {
  continueAsNew,
  defineQuery,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';

/**
 * The workflow that keeps the relay of one stream of an outbox running: one activity after the other delivers, each for some
 * minutes. Its id is the stream's, so there is one; whichever worker serves the task queue runs it; one that dies is noticed within
 * seconds, by its heartbeats, and another goes on.
 */

/** What a relay's workflow is started with. */
export interface RelayOrder {
  /** The outbox's name, and the stream's. */
  readonly outbox: string;
  readonly stream: string;
}

/** What a relay has done in its activities. */
export interface RelayTotals {
  readonly delivered: number;
  /** Deliveries that failed. */
  readonly failed: number;
  /** Messages that became dead letters. */
  readonly dead: number;
}

/** How one activity of a relay ended; since when its sink takes nothing. */
export interface RelayRound extends RelayTotals {
  readonly end: string;
  readonly unavailable?: { readonly since: number; readonly error: string; readonly told: boolean };
}

/** What one activity is asked: what the one before has found of the sink goes with it. */
export type RelayRoundOrder = RelayOrder & Pick<RelayRound, 'unavailable'>;

export const RELAY_ACTIVITY = 'backstitch.deliverMessages';
export const RELAY_WORKFLOW = 'deliverMessages';
export const RELAY_QUERY = 'totals';

/** The id of the workflow that delivers a stream. */
export function relayId(taskQueue: string, { stream }: RelayOrder): string {
  return `${taskQueue}-outbox/${stream}`;
}

/** One activity delivers for so long, in milliseconds. */
export const ROUND_MS = 5 * 60_000;
/** Rounds of one run: then it continues as new. */
const ROUNDS = 200;

const { [RELAY_ACTIVITY]: deliver } = proxyActivities<{
  [RELAY_ACTIVITY]: (order: RelayRoundOrder) => Promise<RelayRound>;
}>({
  // A round ends with what was on its way then.
  startToCloseTimeout: 2 * ROUND_MS,
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '30 seconds' },
});

/** @param totals of the runs before */
export async function deliverMessages(order: RelayOrder, totals?: RelayTotals): Promise<void> {
  let sum: RelayTotals = totals ?? { delivered: 0, failed: 0, dead: 0 };
  setHandler(defineQuery<RelayTotals>(RELAY_QUERY), () => sum);
  let unavailable: RelayRound['unavailable'];
  /** How often another one took its place, one time after the other. */
  let replaced = 0;
  for (let round = 0; round < ROUNDS && !workflowInfo().continueAsNewSuggested; round++) {
    const { delivered, failed, dead, unavailable: found, end } = await deliver({ ...order, unavailable });
    unavailable = found;
    sum = { delivered: sum.delivered + delivered, failed: sum.failed + failed, dead: sum.dead + dead };
    replaced = end === 'replaced' ? replaced + 1 : 0;
    // Two that take each other's place for ever would do nothing else: workers of another task queue deliver the same stream.
    if (replaced > 1) await sleep(Math.min(60_000, 1_000 * 2 ** Math.min(replaced, 10)));
    setCurrentDetails(
      `Until the last round: ${sum.delivered} delivered, ${sum.failed} deliveries failed, ${sum.dead} dead letters. What runs now is in the heartbeat of the pending activity.`,
    );
  }
  await continueAsNew<typeof deliverMessages>(order, sum);
}

/** Which dead letters. */
export interface LettersFilter {
  /** Only of this outbox. */
  readonly outbox?: string;
  /** Only of this topic. */
  readonly topic?: string;
  /** Only the message of this id. */
  readonly id?: string;
}

/** What a person decides about dead letters: about all that the filter finds. */
export interface LettersOrder extends LettersFilter {
  /** `resend`: it is tried anew; `discard`: it is dropped; `skip`: what waits behind it goes on without it. */
  readonly action: 'resend' | 'discard' | 'skip';
  readonly actor: string;
  readonly reason: string;
}

/** A message that was given up, and where it is. */
export interface ShownLetter {
  readonly outbox: string;
  readonly stream: string;
  readonly seq: number;
  readonly id: string;
  readonly topic: string;
  readonly key?: string;
  readonly payload?: unknown;
  /** Milliseconds since 1970. */
  readonly addedAt: number;
  readonly deadAt: number;
  readonly attempts: number;
  readonly error: string;
  /** Messages of its key that wait behind it, up to 1,000. */
  readonly behind: number;
}

/** How a stream stands. Numbers are counted up to 10,000. */
export interface ShownStream {
  readonly outbox: string;
  readonly stream: string;
  /** Messages that wait, in their order and aside. */
  readonly waiting: number;
  readonly aside: number;
  readonly dead: number;
  /** How long the oldest has waited, in milliseconds, but for dead letters and what is to be delivered later. */
  readonly oldestMs?: number;
  /** Who delivers it, and since when, in milliseconds since 1970; absent: nobody ever did. */
  readonly relay?: { readonly owner: string; readonly since: number };
}

/** What is shown of messages. An outbox whose database does not answer is named, and not in the rest. */
export interface ShownMessages {
  readonly streams: readonly ShownStream[];
  /** The oldest dead letters, up to 50. */
  readonly letters: readonly ShownLetter[];
  /** How many there are, of each outbox up to 10,000. */
  readonly total: number;
  readonly unread: readonly { readonly outbox: string; readonly message: string }[];
}

/** What was decided: up to 1,000 dead letters in one go. */
export interface LettersDecided {
  readonly decided: readonly Pick<ShownLetter, 'outbox' | 'stream' | 'seq' | 'id'>[];
  readonly unread: ShownMessages['unread'];
}

/** The activities behind {@link showMessages} and {@link decideMessages}. */
export interface MessagesActivities {
  'backstitch.showMessages': (filter: LettersFilter) => Promise<ShownMessages>;
  'backstitch.decideMessages': (order: LettersOrder) => Promise<LettersDecided>;
}

const asking = proxyActivities<MessagesActivities>({ startToCloseTimeout: '1 minute', retry: { maximumAttempts: 3 } });

/** How the outboxes stand, and their dead letters. */
export async function showMessages(filter: LettersFilter = {}): Promise<ShownMessages> {
  return asking['backstitch.showMessages'](filter);
}

/** Does what a person has decided about dead letters. */
export async function decideMessages(order: LettersOrder): Promise<LettersDecided> {
  return asking['backstitch.decideMessages'](order);
}
