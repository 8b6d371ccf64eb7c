import assert from 'node:assert/strict';
import { GidConflict } from '../../../../src/kit/client/index.js';
import { SmallWorld } from './world.js';

describe('one gid for two transactions', function () {
  this.timeout(120_000);
  const world = new SmallWorld();
  before(async () => {
    await world.open();
    await world.startWorker();
  });
  after(() => world.close());

  const lanes = ['grouped', 'direct', 'durable', 'lean'] as const;
  for (const lane of lanes) {
    for (const later of lanes) {
      it(`with other content and another first step: the later one leaves nothing (${lane}, then ${later})`, async () => {
        const id = world.id();
        assert.equal(await world.caller('fork')({ id, first: 'a' }, { lane }), 'a');
        await assert.rejects(world.caller('fork')({ id, first: 'c' }, { lane: later }), GidConflict);
        assert.equal(await world.net(id), 2);
        assert.equal(await world.inProgress(id), 0);
        assert.equal(await world.caller('fork')({ id, first: 'a' }, { lane }), 'a');
      });
    }
  }

  for (const lane of lanes) {
    it(`another kind of transaction with equal content takes nothing over (grouped, then ${lane})`, async () => {
      const id = world.id();
      // A group has done all of it, and is about to end it.
      await world.doInGroup('pair', { id }, ['a', 'b']);
      await assert.rejects(world.caller('single')({ id }, { lane, wait: '30 seconds' }), GidConflict);
      assert.equal(await world.caller('pair')({ id }, { lane: 'grouped' }), 'pair is done');
      await assert.rejects(world.caller('single')({ id }, { lane, wait: '30 seconds' }), GidConflict);
      assert.deepEqual([await world.net(id), await world.inProgress(id)], [2, 0]);
    });
  }

  for (const later of lanes) {
    it(`and a first step in another database: the later one leaves nothing (grouped, then ${later})`, async () => {
      const id = world.id();
      assert.equal(await world.caller('crossed')({ id, at: 'bank' }, { lane: 'grouped' }), 'bank');
      const call = world.caller('crossed', { takeOverMs: 500 })({ id, at: 'mint' }, { lane: later });
      await assert.rejects(call, GidConflict);
      while ((await world.inProgress(id)) > 0);
      while ((await world.net(id)) > 2);
      assert.equal(await world.caller('crossed')({ id, at: 'bank' }, { lane: 'grouped' }), 'bank');
    });
  }
});
