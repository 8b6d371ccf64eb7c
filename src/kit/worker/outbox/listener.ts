import { CHANNEL } from '../../database/outbox/add-statements.js';
import type { Database, Listening } from '../../database/sql.js';
import type { Wake } from './wake.js';

/** After a connection was lost the next is tried so much later, in milliseconds. */
const AGAIN_MS = 2_000;

/**
 * One connection for each database that listens for what is added to its outbox, and wakes the relays of the streams. While there is
 * none they look by themselves, every second or so.
 */
export class Listeners {
  readonly #of = new Map<Database, Listener>();

  /** Wakes `wake` when something comes to the stream. @returns what ends that */
  join(database: Database, stream: string, wake: Wake): () => void {
    let listener = this.#of.get(database);
    if (listener === undefined) {
      listener = new Listener(database);
      this.#of.set(database, listener);
    }
    const own = listener;
    own.join(stream, wake);
    return () => {
      if (own.leave(stream, wake) === 0 && this.#of.get(database) === own) this.#of.delete(database);
    };
  }
}

class Listener {
  readonly #wakes = new Map<string, Set<Wake>>();
  readonly #database: Database;
  #listening: Listening | undefined;
  #isRunning = false;
  #again: NodeJS.Timeout | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  join(stream: string, wake: Wake): void {
    const wakes = this.#wakes.get(stream) ?? new Set();
    this.#wakes.set(stream, wakes.add(wake));
    if (!this.#isRunning) void this.#listen();
  }

  /** @returns how many streams are left */
  leave(stream: string, wake: Wake): number {
    const wakes = this.#wakes.get(stream);
    wakes?.delete(wake);
    if (wakes?.size === 0) this.#wakes.delete(stream);
    if (this.#wakes.size === 0) {
      clearTimeout(this.#again);
      this.#isRunning = false;
      this.#listening?.close().catch(() => undefined);
    }
    return this.#wakes.size;
  }

  async #listen(): Promise<void> {
    if (this.#database.listen === undefined) return;
    this.#isRunning = true;
    try {
      const listening = await this.#database.listen(CHANNEL, (stream) => {
        for (const wake of this.#wakes.get(stream) ?? []) wake.ring();
      });
      this.#listening = listening;
      if (this.#wakes.size === 0) {
        await listening.close();
        return;
      }
      // What came while nobody listened was heard by nobody.
      for (const wakes of this.#wakes.values()) for (const wake of wakes) wake.ring();
      await listening.ended;
    } catch {
      // Those who wait look by themselves meanwhile.
    }
    this.#listening = undefined;
    if (this.#wakes.size === 0) {
      this.#isRunning = false;
      return;
    }
    this.#again = setTimeout(() => void this.#listen(), AGAIN_MS);
    this.#again.unref();
  }
}
