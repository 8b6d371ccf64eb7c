import type { Waiting } from '../../database/outbox/stream.js';

/**
 * What was delivered last of each key: a message is told that it comes after that. The database knows it too, once it has noted the
 * delivery; what was read of it before that is out of date.
 */
export class Chain {
  readonly #isNeeded: boolean;
  readonly #last = new Map<string, number>();
  /** Numbers that the database has noted since it was asked last. */
  #noted = new Set<number>();

  /** @param isNeeded otherwise nothing is remembered, and nobody is told */
  constructor(isNeeded: boolean) {
    this.#isNeeded = isNeeded;
  }

  /** The database is asked: of what it has noted by now it tells itself. */
  asked(): void {
    if (this.#noted.size === 0) return;
    for (const [key, seq] of this.#last) if (this.#noted.has(seq)) this.#last.delete(key);
    this.#noted = new Set();
  }

  /** These go one after the other. */
  link(messages: readonly Waiting[]): readonly Waiting[] {
    if (!this.#isNeeded) return messages;
    const before = new Map<string, number>();
    return messages.map((message) => {
      const { key, seq } = message;
      if (key === undefined) return message;
      const after = before.get(key) ?? this.#last.get(key) ?? message.after;
      before.set(key, seq);
      return after === undefined ? message : { ...message, after };
    });
  }

  delivered(messages: readonly Waiting[]): void {
    if (!this.#isNeeded) return;
    for (const { key, seq } of messages) {
      // What was delayed, or sent again by a person, comes behind others with higher numbers.
      if (key !== undefined) this.#last.set(key, Math.max(seq, this.#last.get(key) ?? 0));
    }
  }

  /** The database has noted that these were delivered. */
  noted(seqs: readonly number[]): void {
    if (this.#isNeeded) for (const seq of seqs) this.#noted.add(seq);
  }
}
