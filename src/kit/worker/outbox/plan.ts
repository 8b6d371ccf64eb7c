import type { Polled, Waiting } from '../../database/outbox/stream.js';

/** What a relay has to know to tell which messages may go. */
export interface Situation {
  /** Messages of one batch; 1: the sink takes one by one. */
  readonly size: number;
  /** Batches that may begin. */
  readonly places: number;
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
  /** There are more that may go than there are places. */
  readonly isMore: boolean;
}

/** Messages of one key that are delivered one after the other in one go. */
export const CHAIN = 20;

/**
 * Puts messages that may go together into batches, in their order. Those of one key are in one batch, in which they come in their order;
 * what is in no batch is not passed by a later one of its key.
 */
export function planBatches(rows: readonly Polled[], { size, places, isOnWay, isDone, isBusy }: Situation): Plan {
  const batches: Waiting[][] = [];
  const blocked = new Set<string>();
  const held: number[] = [];
  let isMore = false;
  /** The batch of each key that is in one. */
  const own = new Map<string, Waiting[]>();
  /** Keys of which one has to wait. */
  const behind = new Set<string>();
  /** So many that are read are worth several batches side by side: each key is in one of them. */
  const sides = size === 1 ? places : Math.min(places, Math.ceil(rows.length / (size / 2)));
  /** A sink that takes one by one gets those of one key in a chain. */
  const mostOf = size === 1 ? CHAIN : size;
  /** A batch for a message whose key is in none: a new one, or the one with the fewest; none, if all are full. */
  const open = () => {
    if (batches.length < sides) {
      const batch: Waiting[] = [];
      batches.push(batch);
      return batch;
    }
    const least = batches.toSorted((one, other) => one.length - other.length)[0];
    return least !== undefined && least.length < size ? least : undefined;
  };
  for (const { isHeld, ...message } of rows) {
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
    if (key !== undefined && (isBusy(key) || behind.has(key) || (joined && joined.length >= mostOf))) {
      behind.add(key);
      blocked.add(key);
      continue;
    }
    const batch = joined ?? open();
    if (batch === undefined) {
      if (key !== undefined) behind.add(key);
      isMore = true;
      continue;
    }
    batch.push(message);
    if (key !== undefined) own.set(key, batch);
  }
  return { batches, blocked, held, isMore };
}
