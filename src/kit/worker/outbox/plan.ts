import type { Polled, Waiting } from '../../database/outbox/stream.js';

/** What a relay has to know to tell which messages may go. */
export interface Situation {
  /** Messages of one batch; 1: the sink takes one by one. */
  readonly size: number;
  /** Batches that may begin. */
  readonly places: number;
  /** Whether a message is on its way already. */
  readonly isOnWay: (seq: number) => boolean;
  /** Whether something of this key is on its way, or went aside since the messages were read. */
  readonly isBusy: (key: string) => boolean;
}

/** Which messages go, and which have to wait. */
export interface Plan {
  readonly batches: Waiting[][];
  /** Those that wait for something of their key that is on its way, with their keys. */
  readonly blocked: { readonly seq: number; readonly key: string }[];
  /** There are more that may go than there are places. */
  readonly isMore: boolean;
}

/** Messages of one key that are delivered one after the other in one go. */
export const CHAIN = 20;

/**
 * Puts messages that may go together into batches, in their order. Those of one key are in one batch, in which they come in their order;
 * what is in no batch is not passed by a later one of its key.
 */
export function planBatches(rows: readonly Polled[], { size, places, isOnWay, isBusy }: Situation): Plan {
  const batches: Waiting[][] = [];
  const blocked: { seq: number; key: string }[] = [];
  let isMore = false;
  /** The batch of each key that is in one. */
  const own = new Map<string, Waiting[]>();
  /** Keys of which one has to wait. */
  const behind = new Set<string>();
  for (const { isHeld, ...message } of rows) {
    const { seq, key } = message;
    if (isHeld || isOnWay(seq)) continue;
    let batch = batches.at(-1);
    if (key !== undefined) {
      const joined = own.get(key);
      // A batch of a sink that takes one by one is one key's.
      const canJoin = size === 1 ? joined && joined.length < CHAIN : joined && joined === batch && joined.length < size;
      if (isBusy(key) || behind.has(key) || (joined && !canJoin)) {
        behind.add(key);
        blocked.push({ seq, key });
        continue;
      }
      if (joined) {
        joined.push(message);
        continue;
      }
    }
    if (batch === undefined || batch.length >= size) {
      if (batches.length >= places) {
        if (key !== undefined) behind.add(key);
        isMore = true;
        continue;
      }
      batch = [];
      batches.push(batch);
    }
    batch.push(message);
    if (key !== undefined) own.set(key, batch);
  }
  return { batches, blocked, isMore };
}
