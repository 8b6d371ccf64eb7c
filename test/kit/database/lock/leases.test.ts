import assert from 'node:assert/strict';
import { createLeaseLock, forgetLeases, LockUnavailable } from '../../../../src/kit/database/index.js';
import { until } from '../../../support/until.js';
import { fresh, LockStage } from '../idempotency/stage.js';
import { leaseTests } from './leases.js';

describe('a lease lock in a database', () => {
  const stage = new LockStage();
  leaseTests({
    lock: (options, around = (ask) => ask()) =>
      createLeaseLock({ ...stage.db, run: (...asked) => around(() => stage.db.run(...asked)) as never }, options),
    async heldUntil(resource) {
      const row = await stage.one<{ until: number }>(
        'select (extract(epoch from expires_at) * 1000)::float8 as until from backstitch.leases where resource = $1',
        resource,
      );
      return row.until;
    },
    expire: (resource) =>
      stage.db.run('update backstitch.leases set expires_at = clock_timestamp() where resource = $1', [resource]),
  });

  it('leaves nothing waiting in the database when it has given up', async () => {
    const resource = fresh('row');
    const lock = createLeaseLock(stage.db, { leaseMs: 600, waitMs: 0, onWarning: () => undefined });
    const nothing = () => Promise.resolve();
    await lock.hold(resource, nothing);
    await stage.db.transaction(async (sql) => {
      await sql('select from backstitch.leases where resource = $1 for update', [resource]);
      await assert.rejects(lock.hold(resource, nothing), LockUnavailable);
      const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      await until(async () => (await stage.db.run(waiting)).length === 0, 10_000);
    });
    assert.equal((await lock.hold(resource, nothing)).outcome, 'done');
  });

  it('goes on with its tokens when its row was forgotten, and when the clock was put back', async () => {
    const resource = fresh('old');
    const lock = createLeaseLock(stage.db);
    const token = async () => {
      const held = await lock.hold(resource, () => Promise.resolve());
      return held.outcome === 'done' ? held.token : Number.NaN;
    };
    const first = await token();
    await stage.db.run(
      `update backstitch.leases set expires_at = expires_at - interval '31 days' where resource = $1`,
      [resource],
    );
    assert.equal(await forgetLeases(stage.db), 1);
    const second = await token();
    assert.ok(second > first);
    // As if its last one had been taken by a clock that was ahead.
    await stage.db.run('update backstitch.leases set token = token + 1000000000 where resource = $1', [resource]);
    assert.equal(await token(), second + 1_000_000_001);
  });
});
