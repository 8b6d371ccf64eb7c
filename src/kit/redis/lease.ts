import { leaseLockIn } from '../database/lock/hold.js';
import type { LeaseLock, LeaseOptions, LeaseStore } from '../database/lock/lease.js';
import { runScript, type Redis } from './commands.js';

/** Options of {@link redisLeaseLock}. */
export interface RedisLeaseOptions extends LeaseOptions {
  readonly redis: Redis;
  /** Begins every key, so that two systems may share a server. Default: `backstitch` */
  readonly prefix?: string;
}

/** How long the last token of a resource is kept, in milliseconds: 30 days. After that its next one is the clock's, and higher all the same. */
const TOKEN_MS = 30 * 24 * 3_600_000;

/**
 * Takes a lease: `KEYS` its key and that of the last token, `ARGV` owner, length in milliseconds, how long the token is kept. It answers
 * the token as a text, or for how many milliseconds it is another's as a number. The clock is the server's, in microseconds.
 */
const TAKE = `
local owner = redis.call('get', KEYS[1])
if owner and owner ~= ARGV[1] then
  return redis.call('pttl', KEYS[1])
end
local time = redis.call('time')
local now = time[1] * 1000000 + time[2]
local last = tonumber(redis.call('get', KEYS[2]) or '0')
local token = string.format('%.0f', math.max(last + 1, now))
redis.call('set', KEYS[2], token, 'PX', ARGV[3])
redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])
return token`;

const RENEW = `
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('pexpire', KEYS[1], ARGV[2])`;

/** Deletes a key if it has this owner. */
export const RELEASE = `
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('del', KEYS[1])`;

/**
 * A lease lock in Redis, with the interface of that in a database.
 *
 * A lease is a key with a time to live, of one server: there is no vote of several (Redlock), which buys little, as what it protects has to
 * look at the token anyway. A server that loses what it had (no persistence, a replica that takes its place before it has all) gives
 * a resource to a second holder: the later one's token is higher, as it is no lower than the server's clock, and `fence` refuses the
 * earlier one as soon as the later one has written. If the clock was put back as well, the later one has a lower token, and is
 * refused until the clock is where it was: nothing is written wrongly, and nothing is written at all.
 *
 * @throws a RangeError for wrong options
 */
export function redisLeaseLock({ redis, prefix = 'backstitch', ...options }: RedisLeaseOptions): LeaseLock {
  // The braces keep both keys on one server of a cluster.
  const keysOf = (resource: string) => [`${prefix}:lease:{${resource}}`, `${prefix}:token:{${resource}}`] as const;
  const store: LeaseStore = {
    async take(resource, owner, leaseMs) {
      const answer = await runScript(redis, TAKE, keysOf(resource), [owner, String(leaseMs), String(TOKEN_MS)]);
      if (typeof answer !== 'number') return { token: Number(answer) };
      // Below 0 it has no end that is known: somebody made the key without one.
      return { heldForMs: answer < 0 ? Infinity : answer };
    },
    async renew(resource, owner, leaseMs) {
      const [key] = keysOf(resource);
      return (await runScript(redis, RENEW, [key], [owner, String(leaseMs)])) === 1;
    },
    async release(resource, owner) {
      const [key] = keysOf(resource);
      await runScript(redis, RELEASE, [key], [owner]);
    },
  };
  return leaseLockIn(store, options);
}
