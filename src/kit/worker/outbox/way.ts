import type { Lane } from '../../database/outbox/stream.js';
import type { Batch } from './deliver.js';

/**
 * What is on its way to the sink, and what has become of it that the last look at the database does not know.
 *
 * States of a message here: on its way → delivered, and still to be removed → removed; or left: it is found again.
 */
export class Way {
  /** Numbers that are on their way. */
  readonly #seqs = new Set<number>();
  /** Those that are delivered, and not removed yet. */
  readonly #done = new Set<number>();
  /** Lanes, and lanes of keys, that are on their way. */
  readonly #names = new Set<string>();
  #flights = 0;
  #lanes = 0;
  /** What has become of keys and numbers since the last look was sent: what that says of them is out of date. */
  #since = { parked: new Set<string>(), removed: new Set<number>() };

  /** Deliveries that are on their way. */
  get flights(): number {
    return this.#flights;
  }

  /** Those of them that drain lanes. */
  get lanes(): number {
    return this.#lanes;
  }

  /** Lanes, and lanes of keys, that are on their way. */
  get names(): readonly string[] {
    return [...this.#names];
  }

  /** Of the front what is there still, and cannot go: keys and numbers that are on their way, and numbers that are not removed yet. */
  get known(): { readonly keys: readonly string[]; readonly seqs: readonly number[] } {
    const keys = this.names.flatMap((name) => (name.startsWith('k:') ? [name.slice(2)] : []));
    return { keys, seqs: [...this.#seqs, ...this.#done] };
  }

  isOnWay(seq: number): boolean {
    return this.#seqs.has(seq);
  }

  /** Whether it was delivered: it may still be there to be read, or was when the messages were read. */
  isDone(seq: number): boolean {
    return this.#done.has(seq) || this.#since.removed.has(seq);
  }

  /** Whether something of this key is on its way, or went aside since the messages were read. */
  isBusy(key: string): boolean {
    return this.#names.has(`k:${key}`) || this.#since.parked.has(key);
  }

  /** The database is looked at now. */
  looked(): void {
    this.#since = { parked: new Set(), removed: new Set() };
  }

  /** A batch begins. @returns what is to be called when all of it is known, and noted */
  begin({ messages }: Batch, lane: Lane | undefined): () => void {
    const keys = messages.flatMap(({ key }) => (key === undefined ? [] : [`k:${key}`]));
    // A message by itself goes outside its key's order, whatever else of that is on its way.
    const names = new Set(lane === undefined ? keys : [lane.name]);
    for (const name of names) this.#names.add(name);
    if (lane !== undefined) this.#lanes++;
    else for (const { seq } of messages) this.#seqs.add(seq);
    this.#flights++;
    return () => {
      for (const name of names) this.#names.delete(name);
      if (lane !== undefined) this.#lanes--;
      this.#flights--;
    };
  }

  /** These are not on their way any more: what was not delivered of them, or parked, is found again. */
  left(seqs: readonly number[]): void {
    for (const seq of seqs) this.#seqs.delete(seq);
  }

  /** These were delivered, and are to be removed. */
  delivered(seqs: readonly number[]): void {
    for (const seq of seqs) this.#done.add(seq);
  }

  /** These were delivered, and could not be removed: they are found again. */
  kept(seqs: readonly number[]): void {
    for (const seq of seqs) this.#done.delete(seq);
  }

  removed(seqs: readonly number[]): void {
    for (const seq of seqs) {
      this.#done.delete(seq);
      this.#since.removed.add(seq);
    }
  }

  /** Of this key something went aside. */
  parked(key: string | undefined): void {
    if (key !== undefined) this.#since.parked.add(key);
  }
}
