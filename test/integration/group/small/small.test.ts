import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { Worker } from '@temporalio/worker';
import { GidConflict, TransactionPending } from '../../../../src/kit/client/index.js';
import { hashOf } from '../../../../src/kit/client/input.js';
import { settleGroup } from '../../../../src/kit/worker/settle-group.js';
import { SmallWorld } from './world.js';

describe('the grouped lane, in trouble', function () {
  this.timeout(120_000);
  const world = new SmallWorld();
  before(async () => {
    await world.open();
    await world.startWorker();
  });
  after(() => world.close());

  describe('a member of a group that leaves, and finds its id taken', () => {
    /** A run that was refused at its start, before a group gets the same transaction. */
    const refuse = async (id: string) => {
      const { taskQueue } = world;
      const run = { workflowId: id, taskQueue, args: [{ id }, { retries: -1 }] };
      await assert.rejects(world.client.workflow.execute('pair', run));
    };

    /** What is announced goes on, though another workflow has its id. */
    const goesOn = (error: unknown) => {
      assert.ok(error instanceof TransactionPending && error.cause instanceof GidConflict, String(error));
      return true;
    };

    it('by a run that was refused: goes on, though nobody waits for it', async () => {
      const id = world.id();
      await refuse(id);
      world.failing.add(`b ${id}`);
      await world.client.workflow.getHandle(await world.startGroup('pair', { id })).result();
      world.failing.clear();
      while ((await world.inProgress(id)) > 0);
      assert.equal(await world.net(id), 2);
      assert.equal(await world.caller('pair')({ id }, { lane: 'grouped' }), 'pair is done');
    });

    it('by another workflow that has ended: its caller hears that it goes on, and it does', async () => {
      const id = world.id();
      await world.client.workflow.execute('somethingElse', { workflowId: id, taskQueue: world.taskQueue });
      world.failing.add(`b ${id}`);
      // A relay may have started it by then: it cannot end yet.
      const call = world.caller('pair')({ id }, { lane: 'grouped', wait: '3 seconds' });
      await assert.rejects(call, TransactionPending);
      world.failing.clear();
      while ((await world.inProgress(id)) > 0);
      assert.equal(await world.net(id), 2);
      assert.equal(await world.caller('pair')({ id }, { lane: 'grouped' }), 'pair is done');
    });

    it('by another workflow, and had begun nothing: its caller hears that nothing was done', async () => {
      const id = world.id();
      await world.client.workflow.execute('somethingElse', { workflowId: id, taskQueue: world.taskQueue });
      await assert.rejects(world.caller('posted')({ id }, { lane: 'grouped' }), GidConflict);
      assert.deepEqual([await world.net(id), await world.inProgress(id)], [0, 0]);
    });

    it('by another workflow that runs: it is told who has it', async () => {
      const id = world.id();
      const { taskQueue } = world;
      await world.client.workflow.start('somethingElse', { workflowId: id, taskQueue, startDelay: '1 hour' });
      world.failing.add(`b ${id}`);
      await assert.rejects(world.caller('pair')({ id }, { lane: 'grouped' }), goesOn);
      world.failing.clear();
      while (
        !world.warnings.some(
          (line) => line.includes(`${id}: `) && line.includes("a workflow 'somethingElse' has its id"),
        )
      )
        await world.inProgress(id);
    });

    it('by a run that was refused, when its group was terminated: is settled', async () => {
      const id = world.id();
      await refuse(id);
      const workflowId = await world.startGroup('pair', { id }, { startDelay: '1 hour' });
      await world.client.workflow.getHandle(workflowId).terminate('a test');
      await world.doInGroup('pair', { id }, ['a', 'b']);
      const { runId } = await world.client.workflow.getHandle(workflowId).describe();
      assert.deepEqual(await settleGroup(world.client, { workflowId, runId }), [id]);
      while ((await world.inProgress(id)) > 0);
      assert.equal(await world.net(id), 2);
    });
  });

  it('a group that was terminated is not settled while another workflow has the id of a member: the others are', async () => {
    const { client, taskQueue } = world;
    const [one, taken, other] = [world.id(), world.id(), world.id()];
    await client.workflow.execute('somethingElse', { workflowId: taken, taskQueue });
    const workflowId = await world.startGroup(
      'pair',
      [one, taken, other].map((id) => ({ id })),
      { startDelay: '1 hour' },
    );
    await client.workflow.getHandle(workflowId).terminate('a test');
    const { runId } = await client.workflow.getHandle(workflowId).describe();
    for (let times = 0; times < 2; times++) {
      await assert.rejects(settleGroup(client, { workflowId, runId }), {
        message: new RegExp(`^its member ${taken} cannot be settled: a workflow 'somethingElse' has its id`),
      });
    }
    for (const id of [one, other]) {
      const { type, memo } = await client.workflow.getHandle(id).describe();
      assert.deepEqual([type, memo?.inputHash], ['pair', hashOf({ id })]);
    }
  });

  describe('a member of a group', () => {
    it('whose first step has no database, or no guard, goes on as a workflow', async () => {
      const id = world.id();
      const wait = '30 seconds';
      assert.equal(await world.caller('posted')({ id }, { lane: 'grouped', wait }), 'posted is done');
      const other = world.id();
      assert.equal(await world.caller('asked')({ id: other }, { lane: 'grouped', wait }), 'asked is done');
      const calls = (name: string, of: string) => world.calls.filter((call) => call === `${name} ${of}`).length;
      // That it uses no guard is not known before it was called.
      assert.deepEqual([calls('post.send.action', id), calls('bank.ask.action', other)], [1, 2]);
      assert.deepEqual([await world.net(id), await world.net(other)], [1, 1]);
      assert.deepEqual([await world.inProgress(id), await world.inProgress(other)], [0, 0]);
    });

    it('that leaves has its deadline counted from when it was asked for', async () => {
      for (const member of [{}, { waitedMs: 3_000 }]) {
        const id = world.id();
        const startDelay = 'waitedMs' in member ? undefined : '2 seconds';
        const workflowId = await world.startGroup('hurried', { id }, { startDelay }, member);
        await world.client.workflow.getHandle(workflowId).result();
        const call = world.caller('hurried')({ id }, { lane: 'durable' });
        await assert.rejects(call, { name: 'TransactionCompensated', message: /DeadlineExceeded/ });
        assert.equal(await world.net(id), 0);
      }
    });
  });

  describe('what a group has recorded', () => {
    const replay = async (workflows: string, history: unknown) => {
      const workflowsPath = fileURLToPath(new URL(workflows, import.meta.url));
      await Worker.runReplayHistory({ workflowsPath }, history);
    };

    it('is replayed by its release, and taken by no other one for the answers to its own calls', async () => {
      const group = world.client.workflow.getHandle(await world.startGroup('pair', { id: world.id() }));
      await group.result();
      const history = await group.fetchHistory();
      await replay('./workflows.ts', history);
      await assert.rejects(replay('./incompatible-workflows.ts', history), /are to other calls/);
    });
  });

  describe('one gid for two transactions', () => {
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
});
