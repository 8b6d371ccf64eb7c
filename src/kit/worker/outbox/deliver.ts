import type { Waiting } from '../../database/outbox/stream.js';
import { messageOf } from '../../database/message.js';
import type { Message } from '../../messages/message.js';
import { HeldUp, SinkUnavailable, type Delivered, type Sink } from '../../messages/sink.js';

/** A delivery took too long: whether the other side is there is not known. */
export class NotInTime extends Error {
  constructor(limitMs: number) {
    super(`it was not delivered within ${limitMs / 1_000} s`);
    this.name = 'NotInTime';
  }
}

/** Messages that are delivered together, in order, and what is known of the first. */
export interface Batch {
  readonly messages: readonly Waiting[];
  /** How often the first was tried before. */
  readonly attempts: number;
}

/**
 * Delivers a batch by its sink: all at once where it can, else one after the other.
 *
 * @param limitMs how long one message may take, and all of them where they go together; after that no further one is begun
 * @returns what became of each, in the same order; after a failure the later ones of the same key are {@link HeldUp}, as is what
 * was not begun
 * @throws {@link SinkUnavailable}: of none of them it is known that it was delivered
 */
export async function deliverBatch(
  sink: Sink,
  { messages: waiting, attempts }: Batch,
  limitMs: number,
  signal: AbortSignal,
): Promise<Delivered[]> {
  const messages = waiting.map((message, place): Message => ({
    ...message,
    attempt: place === 0 ? attempts + 1 : 1,
  }));
  // One that has failed before goes by itself: what others do together must not fail again and again because of it.
  if (messages.length > 1 && attempts === 0 && sink.deliverAll) {
    const all = sink.deliverAll.bind(sink);
    try {
      const became = await withLimit(limitMs, signal, (limited) => all(messages, limited));
      if (became.length === messages.length) return [...became];
    } catch (error) {
      if (error instanceof SinkUnavailable) throw error;
    }
  }
  return oneByOne(sink, messages, limitMs, signal);
}

async function oneByOne(sink: Sink, messages: readonly Message[], limitMs: number, signal: AbortSignal) {
  const became: Delivered[] = [];
  const failed = new Set<string>();
  const until = Date.now() + limitMs;
  for (const message of messages) {
    const isLate = became.length > 0 && Date.now() >= until;
    if (isLate || (message.key !== undefined && failed.has(message.key))) {
      became.push(new HeldUp());
      continue;
    }
    try {
      await withLimit(limitMs, signal, (limited) => sink.deliver(message, limited));
      became.push(undefined);
    } catch (error) {
      if (error instanceof SinkUnavailable) {
        if (became.length === 0) throw error;
        // Those before it were delivered: that is not forgotten. The rest is found again.
        return [...became, ...messages.slice(became.length).map(() => error)];
      }
      if (message.key !== undefined) failed.add(message.key);
      became.push(error instanceof Error ? error : new Error(messageOf(error)));
    }
  }
  return became;
}

/** A delivery that takes too long is given up, whether it listens to its signal or not. */
async function withLimit<T>(ms: number, stop: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const { signal } = controller;
  let end: () => void = () => undefined;
  const given = new Promise<never>((_, reject) => {
    const give = (why: Error) => {
      reject(why);
      controller.abort();
    };
    const timer = setTimeout(() => {
      give(new NotInTime(ms));
    }, ms);
    const stopped = () => {
      give(new Error('the relay stops'));
    };
    stop.addEventListener('abort', stopped, { once: true });
    end = () => {
      clearTimeout(timer);
      stop.removeEventListener('abort', stopped);
    };
  });
  try {
    stop.throwIfAborted();
    return await Promise.race([work(signal), given]);
  } finally {
    end();
  }
}
