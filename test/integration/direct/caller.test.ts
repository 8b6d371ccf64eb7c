import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import {
  GidConflict,
  NotStarted,
  ServerNotPrepared,
  TransactionCompensated,
  TransactionPending,
} from '../../../src/kit/client/index.js';
import { diesIn, loses, StepsWorld, type Fault } from './steps-world.js';
import { deferred } from './world.js';

/** Nothing is taken over, but by its own hand or the test's. */
const PATIENT = { takeOverMs: 600_000, callMs: 60_000 } as const;

describe('the caller of a transaction in the direct lane', function () {
  this.timeout(120_000);
  const world = new StepsWorld();
  before(() => world.open());
  after(() => world.close());
  const hasRun = (gid: string) =>
    world.client.workflow
      .getHandle(gid)
      .describe()
      .then(
        () => true,
        () => false,
      );
  /** What a call throws. */
  const thrown = async (call: Promise<unknown>): Promise<unknown> => {
    const error: unknown = await call.then(
      () => undefined,
      (why: unknown) => why,
    );
    assert.ok(error instanceof Error, 'it has thrown nothing');
    return error;
  };
  const pending = async (call: Promise<unknown>): Promise<TransactionPending> => {
    const error = await thrown(call);
    assert.ok(error instanceof TransactionPending, String(error) + String((error as Error).cause));
    return error;
  };
  /** Holds a step back, at this end of it. */
  const held = (step: string, at: 'before' | 'after') => {
    const free = deferred<undefined>();
    const there = deferred<undefined>();
    const fault: Fault = async ({ branch, op }, when) => {
      if (branch !== step || op !== 'action' || when !== at) return;
      there.resolve(undefined);
      await free.promise;
    };
    return {
      fault,
      reached: there.promise,
      go: () => {
        free.resolve(undefined);
      },
    };
  };

  it('waits no longer than it wants to, and the transaction goes on', async () => {
    const gid = world.gid();
    const { fault, go } = held('two', 'after');
    const error = await pending(world.caller('simple', { fault, lane: PATIENT })({ gid, n: 1 }, { wait: '500 ms' }));
    assert.deepEqual([error.state, error.begun], ['running', true]);
    go();
    await world.over(gid);
    assert.deepEqual(await world.effects(gid), ['one=1', 'three=1', 'two=1']);
  });

  it('hears that it is not known yet whether it has begun, while its first step is under way', async () => {
    const gid = world.gid();
    const { fault, go } = held('one', 'before');
    const call = world.caller('simple', { fault, lane: PATIENT });
    const error = await pending(call({ gid, n: 1 }, { wait: '300 ms' }));
    assert.equal(error.begun, false);
    assert.match(error.message, /whether .* has begun is not known yet: ask again with the same input/);
    go();
    assert.deepEqual(await call({ gid, n: 1 }), { n: 1 });
  });

  it('hears that nothing was started when it waits for its turn for longer than it wants to', async () => {
    const [first, second] = [world.gid(), world.gid()];
    const { fault, reached, go } = held('one', 'before');
    const call = world.caller('simple', { fault, lane: { ...PATIENT, atATime: 1, waiting: 1 } });
    const ended = call({ gid: first, n: 1 });
    await reached;
    const waits = thrown(call({ gid: second, n: 1 }, { wait: '300 ms' }));
    assert.ok((await thrown(call({ gid: world.gid(), n: 1 }))) instanceof NotStarted);
    assert.ok((await waits) instanceof NotStarted);
    go();
    await ended;
    await call({ gid: world.gid(), n: 1 });
    assert.deepEqual(await world.effects(second), []);
  });

  it('that only starts it hears so when it goes on by itself, and not before', async () => {
    const gid = world.gid();
    const [one, two] = [held('one', 'before'), diesIn('two')];
    const fault: Fault = async (operation, when) => {
      await one.fault(operation, when);
      await two.fault(operation, when);
    };
    let isStarted = false;
    const started = world
      .caller('simple', { fault, lane: PATIENT })
      .start({ gid, n: 1 })
      .finally(() => (isStarted = true));
    await one.reached;
    await new Promise(setImmediate);
    assert.equal(isStarted, false);
    one.go();
    const transaction = await started;
    assert.equal((await world.announced(gid)).length, 1);
    await two.reached;
    await world.makeDue(gid);
    await world.over(gid);
    await pending(transaction.result({ wait: 1 }));
    assert.deepEqual(await world.effects(gid), ['one=1', 'three=1', 'two=1']);
  });

  it('that only starts it hears of a refused start, and of an undone one when it asks for the result', async () => {
    const call = world.caller('simple');
    assert.ok((await thrown(call.start({ gid: 'g'.repeat(1_200), n: 1 }))) instanceof Error);
    const refused = await call.start({ gid: world.gid(), n: 2_000 });
    assert.ok((await thrown(refused.result())) instanceof TransactionCompensated);
  });

  it('hears that it goes on, and why its workflow was not started, once anything was done', async () => {
    const gid = world.gid();
    const client = new Client({ connection: world.client.connection, namespace: 'nope' });
    const error = await pending(world.caller('simple', { fault: loses('two'), client })({ gid, n: 1 }));
    assert.ok(error.cause instanceof ServerNotPrepared);
    assert.match(error.message, /goes on by itself.*has no namespace 'nope'/);
    await world.over(gid);
    assert.deepEqual(await world.effects(gid), ['one=1', 'three=1', 'two=1']);
  });

  it('hears at once that a workflow of something else, which was terminated, has its id', async () => {
    const gid = world.gid();
    const handle = await world.client.workflow.start('other', { workflowId: gid, taskQueue: 'nobody', args: [] });
    await handle.terminate();
    const error = await pending(world.caller('simple', { fault: loses('two') })({ gid, n: 1 }, { wait: '1 hour' }));
    assert.ok(error.cause instanceof GidConflict);
    await world.databases.a?.run('delete from backstitch.announcements where gid = $1', [gid]);
  });

  it('hears that the databases of its lane are not those of the guards', async () => {
    const gid = world.gid();
    const { b, c } = world.databases;
    assert.ok(b && c);
    const call = world.caller('simple', { lane: { databases: { a: c, b, c } } });
    const error = await pending(call({ gid, n: 1 }));
    assert.match(error.message, /'databases' of directLane has for 'a'/);
    const again = await pending(world.caller('simple', { lane: { databases: { a: b, b, c } } })({ gid, n: 1 }));
    assert.match(again.message, /'databases' of directLane has for 'a'/);
    // And where the wrong one has nothing at all of it.
    const other = world.gid();
    for (const order of [
      { gid: other, n: 1 },
      { gid: other, n: 1 },
    ]) {
      const nowhere = await pending(world.caller('other', { lane: { databases: { b: c } } })(order));
      assert.match(nowhere.message, /'databases' of directLane has for 'b'/);
    }
    await world.makeDue(other);
    await world.makeDue(gid);
    await world.over(gid);
    assert.deepEqual(await world.effects(gid), ['one=1', 'three=1', 'two=1']);
  });

  it('who does not wait for an undo does not wait for that of a workflow that took over either', async () => {
    const gid = world.gid();
    const { a, b } = world.databases;
    assert.ok(a && b);
    await b.run('alter table effects add constraint small check (n < 500) not valid');
    const free = deferred<undefined>();
    let holding: Promise<void> | undefined;
    const fault: Fault = async ({ branch, op }, when) => {
      if (branch !== 'one' || op !== 'action' || when !== 'after') return;
      const locked = deferred<undefined>();
      holding = a.transaction(async (sql) => {
        await sql('select 1 from effects where gid = $1 for update', [gid]);
        locked.resolve(undefined);
        await free.promise;
      });
      await locked.promise;
      throw new Error('lost');
    };
    const error = await pending(world.caller('simple', { fault })({ gid, n: 600 }, { undo: 'background' }));
    assert.equal(error.state, 'compensating');
    assert.deepEqual(await world.effects(gid), ['one=600']);
    free.resolve(undefined);
    await holding;
    await b.run('alter table effects drop constraint small');
    await world.over(gid);
    assert.deepEqual(await world.effects(gid), []);
  });

  it('hears that its id was refused at the first step when it comes with another input', async () => {
    const gid = world.gid();
    const { a } = world.databases;
    assert.ok(a);
    await a.run('alter table effects add constraint positive check (n > 0) not valid');
    const call = world.caller('simple');
    assert.ok((await thrown(call({ gid, n: -1 }))) instanceof TransactionCompensated);
    const error = await thrown(call({ gid, n: 1 }));
    assert.ok(error instanceof GidConflict);
    assert.match(error.message, /refused at its first step/);
    assert.deepEqual(await world.effects(gid), []);
  });

  it('hears at once that another input of its id is under way', async () => {
    const gid = world.gid();
    const { fault, reached, go } = held('two', 'before');
    const first = world.caller('simple', { fault, lane: PATIENT })({ gid, n: 1 });
    await reached;
    assert.ok((await thrown(world.caller('simple')({ gid, n: 2 }))) instanceof GidConflict);
    go();
    assert.deepEqual(await first, { n: 1 });
    assert.equal(await hasRun(gid), false);
  });

  it('is not asked for what the relay cannot start: that is warned of once, with what the server says', async () => {
    const { a } = world.databases;
    assert.ok(a);
    const gid = `${world.gid()}-${'g'.repeat(1_000)}`;
    const start = { transaction: 'simple', scheme: 'saga', taskQueue: 'x', input: { gid, n: 1 }, inputHash: 'x' };
    await a.run(
      `insert into backstitch.announcements (gid, branch, start, owner, take_over_at)
       values ($1, 'one', $2::text::json, 'direct:1', clock_timestamp())`,
      [gid, JSON.stringify(start)],
    );
    const mine = () => world.warnings.filter((line) => line.includes("announced by 'a'"));
    const before = mine().length;
    while (mine().length === before) await sleep(20);
    await sleep(1_000); // Some rounds with nothing due.
    await a.run('delete from backstitch.announcements where gid = $1', [gid]);
    const [line = '', ...more] = mine().slice(before);
    assert.match(line, new RegExp(`cannot be taken over: ${gid}: Failed to start Workflow: WorkflowId length`, 'i'));
    assert.deepEqual(more, []);
  });
});
