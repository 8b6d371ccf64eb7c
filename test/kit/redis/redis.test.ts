import assert from 'node:assert/strict';
import { fence, Fenced, Rejection } from '../../../src/kit/database/index.js';
import { onceInRedis, redisLeaseLock, redisMarkers } from '../../../src/kit/redis/index.js';
import { until } from '../../support/until.js';
import { markerTests } from '../database/idempotency/markers.js';
import { fresh, LockStage } from '../database/idempotency/stage.js';
import { Gate } from '../database/inbox/support.js';
import { leaseTests } from '../database/lock/leases.js';
import { pausedTests } from '../database/lock/paused.js';
import { RedisStage } from './stage.js';

describe('Redis', function () {
  this.timeout(60_000);
  const stage = new RedisStage();
  const sql = new LockStage();
  const through = (around: <T>(ask: () => Promise<T>) => Promise<T>) => ({
    send: (command: readonly [string, ...string[]]) => around(() => stage.redis.send(command)),
  });

  describe('a lease lock', () => {
    leaseTests({
      lock: (options, around = (ask) => ask()) => redisLeaseLock({ redis: through(around), ...options }),
      heldUntil: async (resource) => Number(await stage.send('PEXPIRETIME', `backstitch:lease:{${resource}}`)),
      expire: (resource) => stage.send('DEL', `backstitch:lease:{${resource}}`),
    });
  });

  it('is asked seldom for a lease that somebody has made without an end', async () => {
    const resource = fresh('endless');
    await stage.send('SET', `backstitch:lease:{${resource}}`, 'somebody');
    let asked = 0;
    const counted = through((ask) => ((asked += 1), ask()));
    const lock = redisLeaseLock({ redis: counted, waitMs: 300, onWarning: () => undefined });
    const held = await lock.hold(resource, () => Promise.resolve());
    assert.equal(held.outcome, 'skipped');
    assert.ok(asked < 20, `${asked} times in 300 ms`);
  });

  describe('a paused holder', () => {
    pausedTests(sql, {
      lock: () => redisLeaseLock({ redis: stage.redis, waitMs: 60_000 }),
      env: () => ({ REDIS: stage.server.url }),
    });
  });

  describe('a marker', () => {
    markerTests({
      markers: (options, around = (ask) => ask()) => redisMarkers({ redis: through(around), ...options }),
      expire: (key) => stage.send('DEL', `backstitch:marker:${key}`),
    });

    it('stays for a day', async () => {
      const key = fresh('sms');
      await redisMarkers({ redis: stage.redis }).once(key, () => Promise.resolve());
      const hours = Number(await stage.send('PTTL', `backstitch:marker:${key}`)) / 3_600_000;
      assert.equal(Math.round(hours), 24);
    });
  });

  describe('work under a key', () => {
    const script = `
local left = tonumber(redis.call('get', KEYS[1]) or '0') - tonumber(ARGV[1])
if left < 0 then return cjson.encode({ refused = true }) end
redis.call('set', KEYS[1], left)
return cjson.encode({ left = left })`;
    const take = (key: string, stock: string, units: number) =>
      onceInRedis({ redis: stage.redis, key, script, keys: [stock], args: [String(units)] });

    it('is done once of many at once, and answers the same again; also a refusal', async () => {
      const [key, stock] = [fresh('key'), fresh('stock')];
      await stage.send('SET', stock, '10');
      const answers = await Promise.all(Array.from({ length: 10 }, () => take(key, stock, 4)));
      assert.deepEqual([...new Set(answers)], ['{"left":6}']);
      const other = fresh('key');
      assert.equal(await take(other, stock, 7), '{"refused":true}');
      await stage.send('SET', stock, '100');
      assert.equal(await take(other, stock, 7), '{"refused":true}');
      assert.equal(await stage.send('GET', stock), '100');
    });
  });

  it('does work once whatever its script returns: what it has done is not taken back', async () => {
    for (const returned of ['', "return redis.call('set', KEYS[2], 'x')", 'return 7', 'return { 1 }']) {
      const [key, counter] = [fresh('key'), fresh('counter')];
      const script = `redis.call('incr', KEYS[1]) ${returned}`;
      const once = () => onceInRedis({ redis: stage.redis, key, script, keys: [counter, fresh('other')] });
      assert.equal(await once(), await once(), returned);
      assert.equal(await stage.send('GET', counter), '1', returned);
    }
  });

  it('that has lost what it had gives a resource to a second holder, and the fence tells them apart', async () => {
    const resource = fresh('lost');
    await sql.db.run(`insert into resources (name, value) values ($1, 'new')`, [resource]);
    const lock = redisLeaseLock({ redis: stage.redis, waitMs: 30_000, onWarning: () => undefined });
    const write = (token: number) =>
      sql.db.transaction(async (run) => {
        await fence(run, resource, token);
        await run('update resources set value = $2 where name = $1', [resource, `by ${token}`]);
      });
    const gate = new Gate();
    const first = lock.hold(resource, async ({ token }) => {
      await gate.pass();
      await assert.rejects(write(token), Fenced);
      throw new Rejection('Fenced', 'it was not written');
    });
    first.catch(() => undefined);
    await gate.reached;
    await stage.server.kill();
    await stage.server.up();
    await until(() =>
      stage.send('PING').then(
        () => true,
        () => false,
      ),
    );
    const second = await lock.hold(resource, ({ token }) => write(token));
    assert.ok(second.outcome === 'done', 'both hold it');
    gate.open();
    await assert.rejects(first, Rejection);
    const { value } = await sql.one<{ value: string }>('select value from resources where name = $1', resource);
    assert.equal(value, `by ${second.token}`);
  });
});
