import type { Polled, Waiting } from '../../database/outbox/stream.js';

/** What a relay has to know to tell which messages may go. */
export interface Situation {
  /** Messages of one batch; 1: the sink takes one by one. */
  readonly size: number;
  /** Batches that may begin. */
  readonly places: number;
  /** Payloads of one batch, in bytes; one message goes in any case. */
  readonly bytes: number;
  /** Whether a message is on its way. */
  readonly isOnWay: (seq: number) => boolean;
  /** Whether it was delivered, and is still there to be read, or was when the messages were read. */
  readonly isDone: (seq: number) => boolean;
  /** Whether something of this key is on its way, or went aside since the messages were read. */
  readonly isBusy: (key: string) => boolean;
}

/** Which messages go, and which have to wait. */
export interface Plan {
  readonly batches: Waiting[][];
  /** Keys of which messages wait for something of them that is on its way. */
  readonly blocked: ReadonlySet<string>;
  /** Messages whose keys are lanes: they go there. */
  readonly held: number[];
  /** There are more that may go than there are places, or than were read. */
  readonly isMore: boolean;
}

/** Messages of one key that are delivered one after the other in one go. */
export const CHAIN = 20;

/**
 * Puts messages that may go together into batches, in their order. Those of one key are in one batch, in which they come in their order;
 * what is in no batch is not passed by a later one of its key.
 */
export function planBatches(
  rows: readonly Polled[],
  { size, places, bytes: most, isOnWay, isDone, isBusy }: Situation,
): Plan {
  const batches: Filling[] = [];
  const blocked = new Set<string>();
  const held: number[] = [];
  let isMore = false;
  /** The batch of each key that is in one. */
  const own = new Map<string, Filling>();
  /** Keys of which one has to wait. */
  const behind = new Set<string>();
  /** So many, or so much, that is read is worth several batches side by side: each key is in one of them. */
  const read = rows.reduce((sum, { isRead, bytes }) => sum + (isRead ? bytes : 0), 0);
  const sides = size === 1 ? places : Math.min(places, Math.ceil(Math.max(rows.length / (size / 2), read / most)));
  /** A sink that takes one by one gets those of one key in a chain. */
  const mostOf = size === 1 ? CHAIN : size;
  const hasRoom = ({ messages, bytes }: Filling, many: number) => messages.length < many && bytes < most;
  /** A batch for a message whose key is in none: a new one, or the one with the fewest; none, if all are full. */
  const open = () => {
    if (batches.length < sides) {
      const batch: Filling = { messages: [], bytes: 0 };
      batches.push(batch);
      return batch;
    }
    return batches
      .filter((batch) => hasRoom(batch, size))
      .toSorted((one, other) => one.messages.length - other.messages.length)[0];
  };
  for (const { isHeld, isRead, bytes, ...message } of rows) {
    const { seq, key } = message;
    if (isDone(seq)) continue;
    if (isOnWay(seq)) {
      if (key !== undefined) behind.add(key);
      continue;
    }
    if (isHeld) {
      // One of its key before it is on its way still, and may have to go there first.
      if (key === undefined || !behind.has(key)) held.push(seq);
      continue;
    }
    const joined = key === undefined ? undefined : own.get(key);
    if (key !== undefined && (isBusy(key) || behind.has(key) || (joined && !hasRoom(joined, mostOf)))) {
      behind.add(key);
      blocked.add(key);
      continue;
    }
    // What is not read had no room, or had to wait when it was looked: the next look finds it.
    const batch = isRead ? (joined ?? open()) : undefined;
    if (batch === undefined) {
      if (key !== undefined) behind.add(key);
      isMore = true;
      continue;
    }
    batch.messages.push(message);
    batch.bytes += bytes;
    if (key !== undefined) own.set(key, batch);
  }
  return { batches: batches.map(({ messages }) => messages), blocked, held, isMore };
}

/** A batch that is being put together. */
interface Filling {
  readonly messages: Waiting[];
  bytes: number;
}
