import {
  continueAsNew,
  defineQuery,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { refuseEarlyLooks } from './early-look.js';

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
  refuseEarlyLooks();
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

/** Which messages that could not be delivered: dead letters, unless it says otherwise. */
export interface LettersFilter {
  /** Only of this outbox. */
  readonly outbox?: string;
  /** Only those to this subscriber. */
  readonly to?: string;
  /** Only of this topic. */
  readonly topic?: string;
  /** Only the message of this id. */
  readonly id?: string;
  /** Those too that fail and are tried on. Default: only dead letters */
  readonly all?: boolean;
}

/** What a person decides about messages that could not be delivered: about all that the filter finds when it begins. */
export interface LettersOrder extends LettersFilter {
  /**
   * `resend`: it is tried anew, at once; `discard`: it is dropped; `skip`: what waits behind it goes on without it. One that is on its way
   * just now may be delivered nevertheless.
   */
  readonly action: 'resend' | 'discard' | 'skip';
  /** Instead of what the filter finds: all that waits in this stream, which nobody delivers any more. Only to be discarded. */
  readonly left?: string;
  readonly actor: string;
  readonly reason: string;
}

/** A message that could not be delivered, and where it is. */
export interface ShownLetter {
  readonly outbox: string;
  readonly stream: string;
  readonly seq: number;
  readonly id: string;
  readonly topic: string;
  readonly key?: string;
  /** Absent: it has none, or more than 20,000 bytes. */
  readonly payload?: unknown;
  /** Of its payload, about. */
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly addedAt: number;
  /** When it failed first. */
  readonly failedAt: number;
  /** When it was given up; absent: it is tried on. */
  readonly deadAt?: number;
  /** When it is tried again; absent: it is a dead letter. */
  readonly dueAt?: number;
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
  /**
   * It is no stream of the outbox any more (a subscriber has another name, there are fewer partitions): nobody delivers it,
   * as far as the worker that was asked knows.
   */
  readonly isLeft?: boolean;
  /** How long the oldest has waited, in milliseconds: from when it was due; but for dead letters and what is not due yet. */
  readonly oldestMs?: number;
  /** Who delivers it, or did last, and since when, in milliseconds since 1970; absent: nobody ever did. */
  readonly relay?: { readonly owner: string; readonly since: number };
}

/** What is shown of messages. An outbox whose database does not answer is named, and not in the rest. */
export interface ShownMessages {
  readonly streams: readonly ShownStream[];
  /** Those that the filter finds, up to 50, what has failed first first. */
  readonly letters: readonly ShownLetter[];
  /** How many there are, of each outbox up to 10,000. */
  readonly total: number;
  readonly unread: readonly { readonly outbox: string; readonly message: string }[];
}

/** What was decided. */
export interface LettersDecided {
  /** The first 1,000 of them. */
  readonly decided: readonly Pick<ShownLetter, 'outbox' | 'stream' | 'seq' | 'id'>[];
  readonly count: number;
  readonly unread: ShownMessages['unread'];
}

/** How far an order about an outbox has got. Times are of its database's clock. */
export interface LettersCursor {
  /** When the order began. */
  readonly began: string;
  /** The last message: when that failed first; absent: none yet, or it is about what is left over. */
  readonly failedAt?: string;
  readonly seq?: number;
  /** When the part before had ended: what was decided since, and not told, is this one's. Absent: an older release has made it. */
  readonly at?: string;
}

/** A part of an order. */
export interface LettersPartOrder extends LettersOrder {
  /**
   * The outboxes that are not done yet, and how far each has got; absent: it begins. Nothing is decided then but when that was: an attempt
   * whose answer is lost changes nothing of what the order is about.
   */
  readonly after?: Readonly<Record<string, LettersCursor>>;
  /** So many are to be named in the answer. Default: 1,000 */
  readonly list?: number;
}

/** What was decided in one part, and what is left to be done. */
export interface LettersPart extends LettersDecided {
  readonly next?: LettersPartOrder['after'];
}

/** The activities behind {@link showMessages} and {@link decideLetters}. */
export interface MessagesActivities {
  'backstitch.showMessages': (filter: LettersFilter) => Promise<ShownMessages>;
  'backstitch.decideLetters': (order: LettersPartOrder) => Promise<LettersPart>;
  /** The same for {@link decideMessages}. */
  'backstitch.decideMessages': (order: LettersPartOrder) => Promise<LettersPart>;
}

const asking = proxyActivities<MessagesActivities>({ startToCloseTimeout: '1 minute', retry: { maximumAttempts: 3 } });
/** While releases are mixed the workers of the older one do not know it: others are asked then. */
const deciding = proxyActivities<MessagesActivities>({
  startToCloseTimeout: '1 minute',
  retry: { maximumAttempts: 10, maximumInterval: '5 seconds' },
});

/** How the outboxes stand, and their dead letters. */
export async function showMessages(filter: LettersFilter = {}): Promise<ShownMessages> {
  return asking['backstitch.showMessages'](filter);
}

/** So many are named in an answer. */
const LISTED = 1_000;

/**
 * Does what a person has decided about messages that could not be delivered: part by part, until it was done about all of them.
 *
 * It and its activity have names of their own, as workers of older releases have others by which they know less: an order about what
 * one subscriber gets, or about one stream, would be one about all dead letters there.
 *
 * @param begun what the runs before have done
 */
export async function decideLetters(order: LettersOrder, begun?: LettersPart): Promise<LettersDecided> {
  return decideBy('backstitch.decideLetters', order, begun);
}

/** {@link decideLetters}, as clients of older releases ask for it. */
export async function decideMessages(order: LettersOrder, begun?: LettersPart): Promise<LettersDecided> {
  return decideBy('backstitch.decideMessages', order, begun);
}

async function decideBy(
  activity: 'backstitch.decideLetters' | 'backstitch.decideMessages',
  order: LettersOrder,
  begun: LettersPart = { decided: [], count: 0, unread: [] },
): Promise<LettersDecided> {
  let { next, ...done } = begun;
  do {
    const list = LISTED - done.decided.length;
    const part = await deciding[activity]({ ...order, after: next, list });
    done = {
      decided: [...done.decided, ...part.decided],
      count: done.count + part.count,
      unread: distinct([...done.unread, ...part.unread]),
    };
    next = part.next;
  } while (next !== undefined && !workflowInfo().continueAsNewSuggested);
  // As the workflow that this is.
  if (next !== undefined) await continueAsNew<typeof decideLetters>(order, { ...done, next });
  return done;
}

/** Each line once: an outbox may be silent for one part after the other. */
function distinct(unread: LettersDecided['unread']): LettersDecided['unread'] {
  return [...new Map(unread.map((line) => [`${line.outbox}: ${line.message}`, line])).values()];
}
