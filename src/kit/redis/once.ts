import { KEY_LIFETIME_MS } from '../database/guard/outbound-request.js';
import { within } from '../database/within.js';
import { runScript, type Redis } from './commands.js';

/**
 * Work in Redis that is done once under a key, however often it is sent: one script looks for the stored answer, else does the work and
 * stores its answer. So Redis is a side that "does nothing twice under one key, and answers the same again", as the guard's second mode
 * (`createOutbound`) wants it.
 *
 * States of a key: nothing → answered, for as long as it is kept.
 *
 * Invariant: within that time the work has its effect once, and whoever sends it hears the same answer. Redis takes nothing back: a
 * script that fails in its middle has done half. So it looks first, and writes after that.
 */
export interface RedisWork {
  readonly redis: Redis;
  /** The idempotency key: of the guard's second mode, the `key` of what it sends. */
  readonly key: string;
  /**
   * The work, in Lua, as the body of a function with `KEYS` and `ARGV`: it returns a text, which is the answer. A constant, and never
   * made of input.
   */
  readonly script: string;
  /** The keys that the script uses. On a cluster they are on one server with the idempotency key: by one `{tag}`. */
  readonly keys: readonly string[];
  readonly args?: readonly string[];
  /** How long an answer is kept, in milliseconds: longer than the work can be sent again. Default: 24 hours */
  readonly keepMs?: number;
  /** How long the server may take, in milliseconds. Default: 10,000 */
  readonly timeoutMs?: number;
  /** Begins the key, so that two systems may share a server. Default: `backstitch` */
  readonly prefix?: string;
}

/** An hour longer than the guard's second mode sends a key again. */
const KEEP_MS = KEY_LIFETIME_MS + 3_600_000;

/**
 * Does work in Redis once. @returns the script's answer, now or before
 *
 * @throws the client's error, or the script's: whether it was done is unknown; send it again with the same key
 */
export async function onceInRedis(work: RedisWork): Promise<string> {
  const { redis, key, script, keys, args = [], keepMs = KEEP_MS, timeoutMs = 10_000, prefix = 'backstitch' } = work;
  const whole = `
local known = redis.call('get', KEYS[1])
if known then return known end
local function work(KEYS, ARGV)
${script}
end
local keys, args = {}, {}
for place = 2, #KEYS do keys[place - 1] = KEYS[place] end
for place = 2, #ARGV do args[place - 1] = ARGV[place] end
local answer = work(keys, args)
-- What the script has done is not taken back: it must not fail by what it returns.
if type(answer) == 'number' then answer = tostring(answer)
elseif type(answer) ~= 'string' then answer = cjson.encode(answer == nil and cjson.null or answer) end
redis.call('set', KEYS[1], answer, 'PX', ARGV[1])
return answer`;
  const asked = runScript(redis, whole, [`${prefix}:once:${key}`, ...keys], [String(keepMs), ...args]);
  return String(await within(timeoutMs, asked, 'Redis'));
}
