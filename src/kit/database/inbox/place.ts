import type { Message } from '../../messages/message.js';

/** What is known of a key when a message of it comes. */
export interface KeyState {
  /** The highest number of it that was handled; -1 if none is known. */
  readonly last: number;
  /** Up to this number of its source messages may have been handled, and forgotten; -1 if none. */
  readonly forgotten: number;
}

/**
 * Where a message that has no row stands in the order of its key.
 *
 * `early`: the one before it was not handled. What was forgotten counts as handled: rows are kept for longer than any message
 * may be on its way, so one with a number below a forgotten one's is not on its way any more.
 *
 * `past`: it was handled, and its row is forgotten. A number at or below the last one's does not say that by itself: one that was
 * delayed, or sent again by a person when others had gone past it, comes with such a number, and is done. Of the first nothing
 * that old is forgotten, the second was told that something with a higher number came before it.
 */
export function placeOf(
  { seq, after }: Pick<Message, 'seq' | 'after'>,
  { last, forgotten }: KeyState,
): 'next' | 'early' | 'past' {
  if (after !== undefined && after > Math.max(last, forgotten)) return 'early';
  const isLater = after !== undefined && after >= seq;
  return seq <= last && seq <= forgotten && !isLater ? 'past' : 'next';
}
