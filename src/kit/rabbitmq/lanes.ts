/** What waits to be handled: items of one key, one after the other. */
export class Lane<Item> {
  readonly items: Item[] = [];
  /** How often its first one has failed. */
  tries = 0;
  /** Since when it fails. */
  failingSince: number | undefined;
  state: 'idle' | 'ready' | 'busy' | 'held' = 'idle';
  readonly key: string | undefined;

  constructor(key: string | undefined) {
    this.key = key;
  }
}

/** Items that are handled together, in their lanes' order. */
export type Batch<Item> = readonly { readonly lane: Lane<Item>; readonly item: Item }[];

/**
 * Items by their keys. Those of one key are in one lane, in the order in which they came; an item without a key has a lane by itself.
 *
 * A lane is idle (and gone) → ready → busy → ready, held or gone; held → ready. Invariant: of a lane that is busy or held nothing is
 * given out.
 */
export class Lanes<Item> {
  readonly #keyed = new Map<string, Lane<Item>>();
  readonly #ready = new Set<Lane<Item>>();
  readonly #held = new Set<Lane<Item>>();

  /** How many items are in lanes that are held. */
  get held(): number {
    let count = 0;
    for (const { items } of this.#held) count += items.length;
    return count;
  }

  add(key: string | undefined, item: Item): void {
    const lane = (key === undefined ? undefined : this.#keyed.get(key)) ?? new Lane<Item>(key);
    if (key !== undefined) this.#keyed.set(key, lane);
    lane.items.push(item);
    if (lane.state === 'idle') this.#free(lane);
  }

  /**
   * Takes items that may be handled now, of lanes that are busy then. The first of a lane that has failed before comes alone: what
   * others do together must not fail again and again because of it.
   */
  take(most: number): Batch<Item> {
    const batch: { lane: Lane<Item>; item: Item }[] = [];
    for (const lane of this.#ready) {
      if (lane.tries > 0 && batch.length > 0) continue;
      const count = lane.tries > 0 ? 1 : most - batch.length;
      batch.push(...lane.items.slice(0, count).map((item) => ({ lane, item })));
      this.#ready.delete(lane);
      lane.state = 'busy';
      if (lane.tries > 0 || batch.length >= most) break;
    }
    return batch;
  }

  /** A lane's first item is done. */
  shift(lane: Lane<Item>): void {
    lane.items.shift();
    lane.tries = 0;
  }

  /** Puts the first of these of a lane before all others of it, if it has one: it has not failed yet. Nothing of the lane is given out. */
  prefer(lane: Lane<Item>, isThis: (item: Item) => boolean): void {
    const at = lane.items.findIndex(isThis);
    if (at < 1) return;
    lane.items.unshift(...lane.items.splice(at, 1));
    lane.tries = 0;
  }

  /** A lane is not busy, or held, any more. */
  free(lane: Lane<Item>): void {
    if (lane.items.length > 0) this.#free(lane);
    else this.#forget(lane);
  }

  /** A lane waits until it is freed. */
  hold(lane: Lane<Item>): void {
    lane.state = 'held';
    this.#held.add(lane);
  }

  /** Takes all items of a lane out. */
  empty(lane: Lane<Item>): Item[] {
    this.#forget(lane);
    return lane.items.splice(0);
  }

  #free(lane: Lane<Item>): void {
    lane.state = 'ready';
    this.#held.delete(lane);
    this.#ready.add(lane);
  }

  #forget(lane: Lane<Item>): void {
    lane.state = 'idle';
    this.#ready.delete(lane);
    this.#held.delete(lane);
    if (lane.key !== undefined) this.#keyed.delete(lane.key);
  }
}
