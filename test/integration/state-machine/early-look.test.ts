import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import type pg from 'pg';
import { machineClient } from '../../../src/kit/client/index.js';
import { TOO_EARLY } from '../../../src/kit/workflow/view.js';
import { MACHINE_QUERY, type MachineView } from '../../../src/kit/workflow/state-machine/protocol.js';
import { bundleOf } from '../../support/bundles.js';
import { Program } from '../../support/program.js';
import { until } from '../../support/until.js';
import { pathOf, Tickets } from './tickets.js';
import { ticket } from './versions/one.js';

const release = pathOf('one');

describe('a run whose worker is lost', function () {
  this.timeout(180_000);
  let world: Tickets;
  let client: Client;
  let pool: pg.Pool;
  before(async () => {
    world = await Tickets.open('early_look');
    ({ client, pool } = world);
  });
  after(() => world.close());

  /** A worker of this process, for the activities or for the workflows. @returns its end */
  const startWorker = async (taskQueue: string, does: 'activities' | 'workflows'): Promise<() => Promise<void>> =>
    world.startWorker({
      taskQueue,
      ...(does === 'activities'
        ? { activities: world.activities('early') }
        : { workflowBundle: await bundleOf(release) }),
    });

  /** @returns whether the look came early: the server may have been slower with it than with the task */
  async function loseWorker(): Promise<boolean> {
    const taskQueue = `early-${randomUUID()}`;
    const tickets = machineClient<typeof ticket>(client, { taskQueue }, { workflow: 'ticketLife', machine: ticket });
    const id = await world.add();
    // The run is in the memory of a process of its own, which does nothing else.
    const first = new Program('test/integration/state-machine/lost-worker-program.ts', [world.address, taskQueue]);
    world.onClose(() => {
      first.kill('SIGKILL');
    });
    await first.printed(/serves/);
    await startWorker(taskQueue, 'activities');
    await tickets.start(id, {});
    await tickets.send(id, 'note', { requestId: 'n-1' });

    // In the midst of a transition, which waits for the row, the process is lost.
    const holder = await pool.connect();
    await holder.query('begin');
    await holder.query('select 1 from tickets where id = $1 for update', [id]);
    const sent = [tickets.send(id, 'note', { requestId: 'n-2', wait: '1 minute' })];
    await until(async () => (await tickets.view(id)).underWay !== undefined);
    first.kill('SIGKILL');
    await first.ended;
    // The server waits for the lost one: with the looks, and then with the task, when the transition is done. Then it asks the other one.
    const handle = client.workflow.getHandle(id);
    const looks = [
      handle.query(MACHINE_QUERY).catch((error: unknown) => error),
      tickets.view(id, { wait: '1 minute' }),
    ];
    for (let round = 0; round < 50; round++) await handle.describe();
    await holder.query('rollback');
    holder.release();
    await startWorker(taskQueue, 'workflows');
    sent.push(...['n-3', 'n-4'].map((requestId) => tickets.send(id, 'note', { requestId, wait: '1 minute' })));

    const [look, view] = await Promise.all(looks);
    const { version } = view as MachineView;
    assert.ok(version >= 2, `what was due was done when it was shown: ${version}`);
    const answers = await Promise.all(sent);
    assert.deepEqual(answers.map((answer) => answer.version).toSorted(), [2, 3, 4]);
    assert.equal((await tickets.view(id)).version, 4);
    const history = await handle.fetchHistory();
    await Worker.runReplayHistory({ workflowBundle: await bundleOf(release) }, history, id);
    return look instanceof Error && look.message.includes(TOO_EARLY);
  }

  it('is not looked at before what is due is done by another one, and its history replays the same everywhere', async () => {
    for (let tries = 1; !(await loseWorker()); tries++) assert.ok(tries < 5, 'no look came early');
  });

  it('is asked again for what a worker has ended its task without a word of', async () => {
    const taskQueue = `early-${randomUUID()}`;
    const id = await world.add();
    await startWorker(taskQueue, 'activities');
    const stop = await startWorker(taskQueue, 'workflows');
    const tickets = machineClient<typeof ticket>(client, { taskQueue }, { workflow: 'ticketLife', machine: ticket });
    await tickets.start(id, {});
    await tickets.send(id, 'note', { requestId: 'n-1' });
    await stop();
    const sent = tickets.send(id, 'note', { requestId: 'n-2', wait: '1 minute' });
    // As a worker does that has lost the message on its way: the server tells the sender that it was not processed.
    const { namespace } = client.options;
    const by = { namespace, identity: 'a worker that hears nothing' };
    const polled = await client.withDeadline(Date.now() + 60_000, () =>
      client.workflowService.pollWorkflowTaskQueue({ ...by, taskQueue: { name: taskQueue } }),
    );
    assert.equal(polled.messages.length, 1);
    await client.workflowService.respondWorkflowTaskCompleted({ ...by, taskToken: polled.taskToken });
    await startWorker(taskQueue, 'workflows');
    assert.equal((await sent).version, 2);
  });

  it('may be replayed up to anywhere in the midst of something', async () => {
    const taskQueue = `early-${randomUUID()}`;
    const id = await world.add();
    await startWorker(taskQueue, 'activities');
    await startWorker(taskQueue, 'workflows');
    const tickets = machineClient<typeof ticket>(client, { taskQueue }, { workflow: 'ticketLife', machine: ticket });
    await tickets.start(id, {});
    await tickets.send(id, 'note', { requestId: 'n-1' });
    const handle = client.workflow.getHandle(id);
    await handle.terminate('for a test');
    const { events, ...rest } = await handle.fetchHistory();
    const done = (events ?? []).findLastIndex((event) => event.activityTaskCompletedEventAttributes != null);
    assert.ok(done > 0);
    // As it was fetched before the task that was due; and as if it had been terminated then.
    const [upTo, last] = [events?.slice(0, done + 2) ?? [], events?.at(-1)];
    const terminated = { ...last, eventId: upTo.at(-1)?.eventId?.add(1) };
    for (const cut of [upTo.slice(0, -1), upTo, [...upTo, terminated]]) {
      await Worker.runReplayHistory({ workflowBundle: await bundleOf(release) }, { ...rest, events: cut }, id);
    }
  });
});
