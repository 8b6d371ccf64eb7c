import assert from 'node:assert/strict';
import { GidConflict, TransactionCompensated, TransactionPending } from '../../../src/kit/client/index.js';
import { look } from '../../../src/kit/database/announcement/statements.js';
import type { Database } from '../../../src/kit/database/index.js';
import { TX_STATE } from '../../../src/kit/workflow/attributes.js';
import { DECIDE_UPDATE, type DeskOrder } from '../../../src/kit/workflow/desk.js';
import { settle } from '../../../src/kit/worker/settle.js';
import type { TransactionReport } from '../../../src/kit/workflow/failure.js';
import { diesIn, loses, StepsWorld, type Fault } from './steps-world.js';

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

  it('of another release, which has another first step, leaves to a person what was begun after the end', async () => {
    const gid = world.gid();
    assert.deepEqual(await world.caller('simple', { saga: 'bOnly' })({ gid, n: 1 }), { n: 1 });
    const again = world.caller('simple')({ gid, n: 1 });
    assert.deepEqual(await world.stuck(gid), { branch: 'one', type: 'BegunAnew' });
    assert.deepEqual(await world.effects(gid), ['one=1', 'two=1']);
    await world.decide(gid, { branch: 'one', action: 'retry', input: { n: 1 } });
    assert.deepEqual(await again, { n: 1 });
    assert.deepEqual(await world.effects(gid), ['two=1']);
    await world.over(gid);
  });

  describe('of another release, which has a step less than the process had', () => {
    const stuck = async (gid: string, n: number) => {
      const call = world.caller('simple', { saga: 'doesMore', fault: loses('three') });
      call({ gid, n }).catch(() => undefined);
      assert.deepEqual(await world.stuck(gid), { branch: 'extra', type: 'UnknownStep' });
    };

    it('is not committed before a person has decided about that step', async () => {
      const gid = world.gid();
      await stuck(gid, 1);
      assert.deepEqual(await world.announced(gid), ['workflow']);
      assert.deepEqual(await world.decide(gid, { branch: 'extra', action: 'skip' }), { n: 1 });
      assert.deepEqual(await world.effects(gid), ['extra=1', 'one=1', 'three=1', 'two=1']);
      assert.deepEqual(await world.announced(gid), []);
    });

    it('stays committed where a person has one of two such steps undone, and its run is ended from outside then', async () => {
      const gid = world.gid();
      world
        .caller('simple', { saga: 'doesMost', fault: loses('three') })({ gid, n: 1 })
        .catch(() => undefined);
      await world.stuck(gid);
      const handle = world.client.workflow.getHandle(gid);
      const order: DeskOrder = { branch: 'extra', action: 'retry', actor: 'ann', reason: 'a test' };
      await handle.executeUpdate(DECIDE_UPDATE, { args: [order] });
      while ((await world.effects(gid)).includes('extra=1'));
      const before = await handle.describe();
      assert.equal(before.typedSearchAttributes.get(TX_STATE), 'stuck');
      await handle.terminate('a test');
      assert.ok(await settle(world.client, before));
      assert.deepEqual(await world.stuck(gid), { branch: 'most', type: 'UnknownStep' });
      assert.deepEqual(await world.decide(gid, { branch: 'most', action: 'skip' }), { n: 1 });
      assert.deepEqual(await world.effects(gid), ['most=1', 'one=1', 'three=1', 'two=1']);
    });

    it('has not undone it all before a person has decided about that step, who can have it undone', async () => {
      const gid = world.gid();
      await stuck(gid, 2_000);
      assert.deepEqual(await world.effects(gid), ['extra=2000']);
      const order = { branch: 'extra', action: 'retry', input: { n: 2_000 } } as const;
      const error: unknown = await world.decide(gid, order).catch((thrown: unknown) => thrown);
      assert.equal((error as { cause: { type: string } }).cause.type, 'TransactionCompensated');
      assert.deepEqual(await world.effects(gid), []);
    });

    it('has failed where a person leaves it, and names it', async () => {
      const gid = world.gid();
      await stuck(gid, 2_000);
      const order = { branch: 'extra', action: 'skip' } as const;
      const error: unknown = await world.decide(gid, order).catch((thrown: unknown) => thrown);
      const { cause } = error as { cause: { type: string; details: [TransactionReport] } };
      assert.equal(cause.type, 'TransactionFailed');
      assert.deepEqual(
        cause.details[0].notUndone.map(({ step }) => step),
        ['extra'],
      );
    });
  });

  describe('that is ended from outside when it has come to its end, and not yet written that', () => {
    for (const [n, action, state] of [
      [1, 'skip', 'committed'],
      [2_000, 'resolve', 'compensated'],
    ] as const) {
      it(`is settled, and announced no more, where it is ${state}`, async () => {
        const gid = world.gid();
        const told = world.caller('simple', { saga: 'doesMore', fault: loses('three') })({ gid, n });
        told.catch(() => undefined);
        await world.stuck(gid);
        // Nothing but the end is still to be written there.
        const home = await world.down('a');
        const handle = world.client.workflow.getHandle(gid);
        const order: DeskOrder = { branch: 'extra', action, actor: 'ann', reason: 'a test' };
        await handle.executeUpdate(DECIDE_UPDATE, { args: [order] });
        const shown = async () => (await handle.describe()).typedSearchAttributes.get(TX_STATE);
        while ((await shown()) !== state);
        await handle.terminate('a test');
        await home.up();
        while (!(await world.scan()).settled.includes(gid));
        await world.over(gid);
        assert.equal(await world.fate(gid), state);
      });
    }
  });

  describe('under a gid that an older run has had, which ended before its first step', () => {
    /** The older run had an input that was corrected since. */
    const corrected = async (gid: string, fault: Fault, lane = {}) => {
      await assert.rejects(world.caller('choosy')({ gid, n: -1 }, { lane: 'durable' }), TransactionCompensated);
      return world.caller('choosy', { fault, lane })({ gid, n: 1 });
    };

    it('is a run of its own', async () => {
      const gid = world.gid();
      assert.deepEqual(await corrected(gid, loses('two')), { n: 1 });
      await world.over(gid);
      assert.deepEqual(await world.effects(gid), ['one=1', 'three=1', 'two=1']);
    });

    it('is a run of its own where the reply to the first step was lost', async () => {
      const gid = world.gid();
      assert.deepEqual(await corrected(gid, loses('one')), { n: 1 });
      await world.over(gid);
      assert.deepEqual(await world.effects(gid), ['one=1', 'three=1', 'two=1']);
    });

    it('is pending, and never an error of a database, where it cannot be looked at how it stands', async () => {
      const gid = world.gid();
      const run: Database['run'] = (text, ...rest) => {
        if (text === look) throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
        return home.run(text, ...rest);
      };
      const home = world.databases.a ?? assert.fail('there is no database');
      const lane = { databases: { ...world.databases, a: { ...home, run } } };
      const told: unknown = await corrected(gid, loses('one'), lane).catch((error: unknown) => error);
      assert.ok(told instanceof TransactionPending && !told.begun, String(told));
      assert.match(told.message, /not known yet: ask again with the same input \(read ECONNRESET\)/);
      assert.deepEqual(await world.caller('choosy')({ gid, n: 1 }), { n: 1 });
      assert.deepEqual(await world.effects(gid), ['one=1', 'three=1', 'two=1']);
    });

    it('is started by a relay when the process dies', async () => {
      const gid = world.gid();
      const died = diesIn('two');
      corrected(gid, died.fault, PATIENT).catch(() => undefined);
      await died.reached;
      await world.makeDue(gid);
      await world.over(gid);
      assert.deepEqual(await world.effects(gid), ['one=1', 'three=1', 'two=1']);
    });
  });

  it('is a run of its own under a gid that another transaction has had', async () => {
    const gid = world.gid();
    await world.caller('other')({ gid, n: 7 }, { lane: 'durable' });
    assert.deepEqual(await world.caller('simple', { fault: loses('two') })({ gid, n: 1 }), { n: 1 });
    assert.deepEqual(await world.effects(gid), ['one=1', 'refund=7', 'three=1', 'two=1']);
  });

  describe('under a gid that is used for two inputs at once, each with a first step of its own', () => {
    it('leaves nothing of either, where both are driven by processes', async () => {
      const gid = world.gid();
      let begun = 0;
      let go: () => void = () => undefined;
      const both = new Promise<void>((resolve) => (go = resolve));
      const fault: Fault = async ({ op }, when) => {
        if (op !== 'action' || when !== 'after') return;
        if (++begun === 2) go();
        await both;
      };
      const calls = [
        { gid, n: 1 },
        { gid, n: 2, bFirst: true },
      ].map((order) => world.caller('eitherFirst', { fault, lane: PATIENT })(order));
      for (const told of await Promise.allSettled(calls)) assert.equal(told.status, 'rejected');
      await world.over(gid);
      assert.deepEqual(await world.effects(gid), []);
    });

    it('leaves nothing of a workflow that comes to the step of a process', async () => {
      const gid = world.gid();
      const held = diesIn('two', 'after');
      const inProcess = world.caller('eitherFirst', { fault: held.fault, lane: PATIENT })({ gid, n: 2, bFirst: true });
      await held.reached;
      await assert.rejects(world.caller('eitherFirst')({ gid, n: 1 }, { lane: 'durable' }), GidConflict);
      assert.deepEqual(await world.effects(gid), ['two=2']);
      inProcess.catch(() => undefined);
      await world.makeDue(gid);
      await world.over(gid);
      assert.deepEqual(await world.effects(gid), []);
    });
  });
});
