import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { DirectWorld } from './world.js';

describe('the relay', function () {
  this.timeout(60_000);
  const world = new DirectWorld();
  before(() => world.open());
  after(() => world.close());

  it('is not held up by a transaction that cannot go on', async () => {
    await world.stopWorker();
    const dead = new Promise<never>(() => undefined);
    let reach: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => (reach = resolve));
    const { placeOrder } = world.caller({
      takeOverMs: 1_000,
      callMs: 60_000,
      probe: (at, operation) => {
        if (at !== 'committed' || operation.function !== 'orders.create.action') return Promise.resolve();
        reach();
        return dead;
      },
    });
    const order = world.order();
    void placeOrder(order, { lane: 'direct' });
    await reached;
    // No server starts what has no task queue. Both are due when the worker comes, this one first.
    await world.databases.orders.run(
      `insert into backstitch.announcements (gid, branch, start, owner, take_over_at)
       select 'cannot go on', branch, jsonb_set(start::jsonb, '{taskQueue}', '""')::json, owner, take_over_at - interval '1 s'
       from backstitch.announcements`,
    );
    const due = 'select 1 from backstitch.announcements where take_over_at > clock_timestamp()';
    while ((await world.databases.orders.run(due)).length > 0) await sleep(50);
    await world.startWorker();
    while ((await world.fate(order.orderId)) !== 'committed') await sleep(100);
    assert.deepEqual(await world.announced(), ['cannot go on']);
  });
});
