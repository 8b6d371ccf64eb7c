import { randomUUID } from 'node:crypto';
import { Rejection } from '../rejection.js';
import type { Database } from '../sql.js';

/**
 * A marker with a time to live: it is set before something is done that cannot be taken back and needs no result (a text message, an
 * e-mail), and as long as it is there the same is not done again.
 *
 * States of a key: free → set → free, when its time to live is over, or at once after a *definite* failure: nothing was done then. After
 * a failure of which nobody knows whether it was done (a timeout, a lost reply, a process that died) the marker stays.
 *
 * Invariant: within a marker's time to live the work is begun at most once after the last definite failure. That is *at most* once: after
 * an unknown outcome it may never have been done. What must be done needs an execution record or the guard.
 *
 * Each marker has an owner: who comes late takes back only what is its own.
 */
export interface Markers {
  /**
   * Does the work if its marker is not set, and sets it.
   *
   * @param key what is done, for whom and about what, such as `sms/order-1/shipped`: the same for every attempt. 1 to 500 characters
   * @throws what the work throws; {@link Rejection}, or whatever `isDefinite` says it of, is a definite failure
   * @throws the store's error, if the marker cannot be set: the work was not begun. It is taken back then, if that can be done
   */
  once<Result>(key: string, work: () => Promise<Result>): Promise<Once<Result>>;
}

/** What became of work under a marker. `marked`: it was done before, or may have been, or is being done. */
export type Once<Result> =
  { readonly outcome: 'done'; readonly result: Result } | { readonly outcome: 'marked'; readonly result?: undefined };

/** Options of markers, wherever they are kept. */
export interface MarkerOptions {
  /** How long a marker stays, in milliseconds. Default: 24 hours */
  readonly ttlMs?: number;
  /** Whether an error says for certain that nothing was done. Default: it is a `Rejection` */
  readonly isDefinite?: (error: unknown) => boolean;
  /** Hears, in one line, that a marker could not be taken back: it stays for its time to live. Default: nobody */
  readonly onWarning?: (line: string) => void;
}

/** Where markers are kept. */
export interface MarkerStore {
  /** Sets a marker, if there is none whose time to live is not over. @returns whether it was set */
  set(key: string, owner: string, ttlMs: number): Promise<boolean>;
  /** Removes a marker, if it is this owner's. */
  remove(key: string, owner: string): Promise<void>;
}

/** How long a marker stays by default, in milliseconds: 24 hours. */
export const MARKER_TTL_MS = 24 * 3_600_000;

/** Markers upon a store. @throws a RangeError for wrong options */
export function markersIn(store: MarkerStore, options: MarkerOptions = {}): Markers {
  const { ttlMs = MARKER_TTL_MS, isDefinite = (error) => error instanceof Rejection, onWarning } = options;
  if (!(Number.isSafeInteger(ttlMs) && ttlMs >= 1)) {
    throw new RangeError(`ttlMs of markers is ${ttlMs}: it must be a whole number of milliseconds, 1 at least`);
  }
  const takeBack = async (key: string, owner: string) => {
    try {
      await store.remove(key, owner);
    } catch (error) {
      onWarning?.(`the marker '${key}' could not be taken back, and stays: ${String(error)}`);
    }
  };
  return {
    async once(key, work) {
      if (key.length < 1 || key.length > 500)
        throw new RangeError(`a marker's key must have 1 to 500 characters: '${key}'`);
      const owner = randomUUID();
      let isSet: boolean;
      try {
        isSet = await store.set(key, owner, ttlMs);
      } catch (error) {
        // It may have been set, and nobody will do the work.
        await takeBack(key, owner);
        throw error;
      }
      if (!isSet) return { outcome: 'marked' };
      try {
        return { outcome: 'done', result: await work() };
      } catch (error) {
        if (isDefinite(error)) await takeBack(key, owner);
        throw error;
      }
    },
  };
}

/** `$1` key, `$2` owner, `$3` time to live in milliseconds. Whoever meets another waits for it, so the clock is read after that. */
const set = `
insert into backstitch.markers as m (key, owner, set_at, expires_at)
values ($1, $2, clock_timestamp(), clock_timestamp() + make_interval(secs => $3::float8 / 1000))
on conflict (key) do update set
  owner = excluded.owner, set_at = clock_timestamp(),
  expires_at = clock_timestamp() + make_interval(secs => $3::float8 / 1000)
where m.expires_at <= clock_timestamp()
returning 1`;
const remove = 'delete from backstitch.markers where key = $1 and owner = $2';

/** How long the database may take for a marker, with its connection, in milliseconds. */
const ASK_MS = 10_000;

/** Markers in a database. The tables are made by `idempotencyMigrations`; `forgetMarkers` removes what is over. */
export function createMarkers(database: Database, options: MarkerOptions = {}): Markers {
  const store: MarkerStore = {
    set: async (key, owner, ttlMs) => (await database.run(set, [key, owner, ttlMs], ASK_MS)).length > 0,
    async remove(key, owner) {
      await database.run(remove, [key, owner], ASK_MS);
    },
  };
  return markersIn(store, options);
}
