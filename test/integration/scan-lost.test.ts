import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { OPEN_ACCOUNTS } from '../../src/activities/banks/sql.js';
import { scanActivities } from '../../src/kit/worker/scan.js';
import { initialAttributes } from '../../src/kit/workflow/attributes.js';
import {
  agentId,
  comparisonId,
  THREE_PHASE_AGENT,
  type AgentMemo,
  type AgentOrder,
} from '../../src/kit/workflow/three-phase/protocol.js';
import type { ScanReport } from '../../src/kit/workflow/scan.js';
import { patchedClient, type PatchedClient } from '../support/patched-client.js';
import { ShopWorld } from '../workflows/support.js';

describe('the scan and an agent that has decided alone', function () {
  this.timeout(90_000);
  const world = new ShopWorld();
  before(() => world.sql('bank_a', OPEN_ACCOUNTS, [['alice'], 100_000]));

  /** An agent that its coordinator has asked, and told nothing more; the coordinator runs, and no worker serves it. */
  const alone = async () => {
    const gid = `alone-${randomUUID()}`;
    const queue = `of-${gid}`;
    const { workflow } = world.client;
    const coordinator = await workflow.start('transfer3pc', {
      ...{ workflowId: gid, taskQueue: queue, typedSearchAttributes: initialAttributes('3pc') },
    });
    const of = [{ branch: 'bank_a', operation: 'bank_a.move' }];
    const input = { from: [], to: [{ leg: 'to-1', account: 'alice', amount: 1 }] };
    const order: AgentOrder = {
      ...{ gid, branch: 'bank_a', operation: 'bank_a.move', seq: 1, of, input, summary: 'moves' },
      ...{ answerMs: 10_000, timeoutMs: 100, windowMs: 60_000 },
    };
    const workflowId = agentId(gid, 'bank_a');
    const memo = { gid, of } satisfies AgentMemo;
    const agent = await workflow.start(THREE_PHASE_AGENT, {
      ...{ workflowId, taskQueue: world.taskQueue, args: [order], memo: { ...memo } },
    });
    assert.equal(((await agent.result()) as { by: string }).by, 'timer');
    const closedAt = (await agent.describe()).closeTime?.getTime() ?? assert.fail('it has ended');
    const listed = `WorkflowId = '${workflowId}' AND ExecutionStatus = 'Completed'`;
    while ((await workflow.count(listed)).count === 0);
    return { gid, queue, closedAt, coordinator };
  };
  /** As the server tells who serves a task queue, but for one. */
  const about = (taskQueue: string, pollers: () => Promise<unknown>): Promise<PatchedClient> =>
    patchedClient(world.where.address, (service) => ({
      describeTaskQueue: (request: { taskQueue?: { name: string } }) =>
        request.taskQueue?.name === taskQueue ? pollers() : service.describeTaskQueue(request),
    }));
  const scan = (client: Client, since: number): Promise<ScanReport> => {
    const { taskQueue } = world;
    const environment = new MockActivityEnvironment({ taskQueue }, { client, logger: new DefaultLogger('ERROR') });
    return environment.run(scanActivities()['backstitch.scan'], { since });
  };

  it('is looked for again until its coordinator has compared: one that is lost later is found then', async () => {
    const { gid, queue, closedAt, coordinator } = await alone();
    const lastAccessTime = { seconds: Math.floor(Date.now() / 1_000) };
    const served = await about(queue, () => Promise.resolve({ pollers: [{ lastAccessTime }] }));
    const first = await scan(served.client, closedAt);
    await served.close();
    assert.ok(!first.compared.includes(gid) && first.completeTo <= closedAt);
    const second = await scan(world.client, first.completeTo);
    assert.deepEqual([second.compared, second.settled.includes(gid)], [[gid], false]);
    assert.ok(second.completeTo > closedAt);
    await world.client.workflow.getHandle(comparisonId(gid)).terminate('a test');
    await coordinator.terminate('a test');
  });

  it('tells what it could not look at where the server does not say who serves the coordinator', async () => {
    const { gid, queue, closedAt, coordinator } = await alone();
    const silent = await about(queue, () => new Promise(() => undefined));
    const { failed, completeTo } = await scan(silent.client, closedAt);
    await silent.close();
    assert.ok(failed.some((each) => each.gid === gid) && completeTo <= closedAt);
    await coordinator.terminate('a test');
  });
});
