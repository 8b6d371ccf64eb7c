import { markersIn, type MarkerOptions, type Markers } from '../database/idempotency/marker.js';
import { within } from '../database/within.js';
import { runScript, type Redis } from './commands.js';
import { RELEASE } from './lease.js';

/** Options of {@link redisMarkers}. */
export interface RedisMarkerOptions extends MarkerOptions {
  readonly redis: Redis;
  /** Begins every key, so that two systems may share a server. Default: `backstitch` */
  readonly prefix?: string;
}

/** How long the server may take for a marker, in milliseconds. */
const ASK_MS = 10_000;

/**
 * Markers in Redis, with the interface of those in a database. Redis removes them when they are over. A server that loses what it had loses
 * them too: what they stood for may be done again.
 *
 * @throws a RangeError for wrong options
 */
export function redisMarkers({ redis, prefix = 'backstitch', ...options }: RedisMarkerOptions): Markers {
  const keyOf = (key: string) => `${prefix}:marker:${key}`;
  return markersIn(
    {
      async set(key, owner, ttlMs) {
        const asked = redis.send(['SET', keyOf(key), owner, 'NX', 'PX', String(ttlMs)]);
        return (await within(ASK_MS, asked, 'Redis')) !== null;
      },
      async remove(key, owner) {
        await within(ASK_MS, runScript(redis, RELEASE, [keyOf(key)], [owner]), 'Redis');
      },
    },
    options,
  );
}
