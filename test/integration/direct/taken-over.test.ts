import assert from 'node:assert/strict';
import { diesIn, loses, StepsWorld } from './steps-world.js';

/** Nothing is taken over before its process has done what the test wants, but by its own hand. */
const PATIENT = { takeOverMs: 600_000, callMs: 60_000 } as const;

describe('a workflow that takes over from a process', function () {
  this.timeout(120_000);
  const world = new StepsWorld();
  before(() => world.open());
  after(() => world.close());

  it('of another release, which gave a step another input, leaves it to a person: the step is done', async () => {
    const gid = world.gid();
    const call = world.caller('simple', { saga: 'saysMore', fault: loses('three') });
    const told = call({ gid, n: 1 }).catch((error: unknown) => error);
    assert.deepEqual(await world.stuck(gid), { branch: 'two', type: 'InputMismatch' });
    assert.deepEqual(await world.effects(gid), ['one=1', 'two=1']);
    await world.client.workflow.getHandle(gid).terminate();
    await told;
  });

  it('has the input that the process had, though the body has changed its own', async () => {
    const gid = world.gid();
    const order = { gid, n: 1 };
    assert.deepEqual(await world.caller('changesInput', { fault: loses('two') })(order), { n: 6 });
    assert.deepEqual(await world.effects(gid), ['one=6', 'two=6']);
    assert.deepEqual(order, { gid, n: 1 });
  });

  it('has the input that the process had, though the caller has changed it since', async () => {
    const gid = world.gid();
    const order = { gid, n: 1 };
    const done = world.caller('simple', { fault: loses('two') })(order);
    order.n = 9;
    assert.deepEqual(await done, { n: 1 });
    assert.deepEqual(await world.effects(gid), ['one=1', 'three=1', 'two=1']);
  });

  it('gives the body what the process gave it: what JSON makes of an input and of a result', async () => {
    const gid = world.gid();
    const call = world.caller('takesObjects', { fault: loses('three') });
    assert.deepEqual(await call({ gid, n: 1, day: new Date() }), { n: 1 });
    assert.deepEqual(await world.effects(gid), ['one=1', 'three=1', 'two=1']);
  });

  it('is never needed for an input that a database cannot keep unchanged: that runs as a workflow from its beginning', async () => {
    const gid = world.gid();
    const died = diesIn('two');
    const call = world.caller('simple', { fault: died.fault, lane: PATIENT });
    assert.deepEqual(await call({ gid, n: 1, note: 'half a \u{1f382}'.slice(0, -1) }), { n: 1 });
    assert.deepEqual(await world.effects(gid), ['one=1', 'three=1', 'two=1']);
  });
});
