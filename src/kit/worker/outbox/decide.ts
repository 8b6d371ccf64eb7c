import { messageOf } from '../../database/message.js';
import { dropLeft, type DropOrder } from '../../database/outbox/left.js';
import {
  countDecided,
  decideLetter,
  nextLetters,
  timeOf,
  type LetterFilter,
  type LetterOrder,
} from '../../database/outbox/letters.js';
import type { Database } from '../../database/sql.js';
import { within } from '../../database/within.js';
import type { LettersCursor, ShownLetter } from '../../workflow/outbox.js';
import { READ_MS } from '../limited.js';

/** Messages that one part decides at most. */
const MOST = 500;
/** Bytes of payloads that one part drops at most, about: each is written once more, to be kept. */
const MOST_BYTES = 8_000_000;
/** A part begins no further decision after so many milliseconds: its activity has a minute. */
const PART_MS = 20_000;

/** What one part has done. */
export interface DecidedPart {
  readonly decided: readonly Pick<ShownLetter, 'stream' | 'seq' | 'id'>[];
  /** How many those are, with what an attempt before this one has decided and could not tell. Default: as many as are named */
  readonly count?: number;
  /** How far it has got; absent: nothing is left. */
  readonly cursor?: LettersCursor;
  /** Why it has got no further. */
  readonly failure?: string;
}

/**
 * A part as it is told: where an attempt before this one was lost, what that has decided is counted with it. Its answer is lost, but what
 * persons decide is kept.
 *
 * @param attempt of the activity, from 1 on
 */
export async function wholePart(
  database: Database,
  order: Pick<LetterOrder, 'action' | 'actor' | 'reason'>,
  streams: readonly string[],
  { at }: LettersCursor,
  attempt: number,
  decide: () => Promise<DecidedPart>,
): Promise<DecidedPart> {
  const part = await decide();
  const { cursor, decided } = part;
  const isLost = attempt > 1 && at !== undefined;
  const count = isLost ? await within(READ_MS, countDecided(database, order, streams, at)) : decided.length;
  // By the clock of that database: the next part begins here.
  const ended = cursor && { ...cursor, at: await within(READ_MS, timeOf(database)) };
  return { ...part, count: Math.max(count, decided.length), ...(ended && { cursor: ended }) };
}

/** Decides the next messages that an order about one outbox finds: so many, for so long. @throws if it cannot be asked for them */
export async function decidePart(
  database: Database,
  { action, actor, reason, ...filter }: Pick<LetterOrder, 'action' | 'actor' | 'reason'> & LetterFilter,
  after: LettersCursor,
): Promise<DecidedPart> {
  const until = Date.now() + PART_MS;
  const found = await within(READ_MS, nextLetters(database, filter, MOST, after));
  const decided: DecidedPart['decided'][number][] = [];
  let reached: LettersCursor = after;
  for (const { stream, seq, id, cursor } of found) {
    if (Date.now() >= until) return { decided, cursor: reached };
    try {
      const order: LetterOrder = { action, stream, seq, actor, reason, all: filter.all };
      if (await within(READ_MS, decideLetter(database, order))) decided.push({ stream, seq, id });
    } catch (error) {
      // What was done is told nevertheless.
      return { decided, failure: messageOf(error) };
    }
    reached = cursor;
  }
  return found.length < MOST ? { decided } : { decided, cursor: reached };
}

/** Drops the next messages of a stream that nobody delivers any more. */
export async function dropPart(database: Database, order: DropOrder, cursor: LettersCursor): Promise<DecidedPart> {
  const decided = await within(READ_MS, dropLeft(database, order, { count: MOST, bytes: MOST_BYTES }));
  return { decided, ...(decided.length > 0 && { cursor }) };
}
