import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger, Worker } from '@temporalio/worker';
import type pg from 'pg';
import {
  IllegalTransition,
  machineClient,
  showTransaction,
  WorkerSilent,
  type ScanReport,
} from '../../../src/kit/client/index.js';
import { deploymentOptions, type Deployment } from '../../../src/kit/worker/index.js';
import { scanActivities } from '../../../src/kit/worker/scan.js';
import { BEGUN_ANEW } from '../../../src/kit/worker/settle-machine.js';
import { EVENT_SIGNAL, TX_SCHEME, type Alarm } from '../../../src/kit/workflow/index.js';
import { bundleOf } from '../../support/bundles.js';
import { until } from '../../support/until.js';
import { pathOf, Tickets } from './tickets.js';
import { ticket } from './versions/one.js';
import type { Ticket } from './versions/two.js';

/** Rounds of notes at once on one ticket; the long run has more. */
const ROUNDS = Number(process.env.BACKSTITCH_NOTES ?? 10);
const AT_ONCE = 20;

describe('machines under a real server', function () {
  this.timeout(120_000);
  let world: Tickets;
  let client: Client;
  let pool: pg.Pool;
  const alarms: string[] = [];
  before(async () => {
    world = await Tickets.open('tickets');
    ({ client, pool } = world);
  });
  after(() => world.close());

  const open = () => world.add();
  const startWorker = async (
    taskQueue: string,
    release: string,
    deployment?: Deployment,
    maxCachedWorkflows?: number,
  ): Promise<() => Promise<void>> =>
    world.startWorker({
      ...{ taskQueue, workflowBundle: await bundleOf(pathOf(release)) },
      activities: {
        ...world.activities(release),
        'backstitch.raiseAlarm': ({ message }: Alarm) => {
          alarms.push(message);
        },
      },
      ...deploymentOptions(deployment),
      ...(maxCachedWorkflows !== undefined && { maxCachedWorkflows }),
    });

  it('lose no update while they continue as new, and count none twice', async () => {
    const taskQueue = `tickets-${randomUUID()}`;
    await startWorker(taskQueue, 'one');
    const tickets = machineClient<typeof ticket>(client, { taskQueue }, { workflow: 'ticketLife', machine: ticket });
    const id = await open();
    await tickets.start(id, {});
    const answers = new Map<string, number>();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, lane) => {
        for (let round = 0; round < ROUNDS; round++) {
          const requestId = `note-${lane}-${round}`;
          const { version } = await tickets.send(id, 'note', { requestId });
          answers.set(requestId, version);
          // A repetition is answered as before, by whichever run.
          if (round % 3 === 0) assert.equal((await tickets.send(id, 'note', { requestId })).version, version);
        }
      }),
    );
    const count = AT_ONCE * ROUNDS;
    assert.deepEqual(
      [...answers.values()].sort((one, other) => one - other),
      Array.from({ length: count }, (_, at) => at + 1),
    );
    const { runs, version } = await tickets.view(id);
    assert.equal(version, count);
    assert.ok(runs >= count / 40, `${runs} changes of runs`);
    const { rows } = await pool.query<{ count: number }>(
      'select count(*)::int as count from ticket_moves where id = $1',
      [id],
    );
    assert.equal(rows[0]?.count, count);
    const [last] = [...answers].slice(-1);
    assert.equal((await tickets.send(id, 'note', { requestId: last?.[0] })).version, last?.[1]);
    await tickets.send(id, 'close');
    await tickets.result(id);
    console.error(`      (${count} updates over ${runs + 1} runs)`);

    // What one costs, and what is refused.
    const alone = await open();
    await tickets.start(alone, {});
    const events = async () => (await client.workflow.getHandle(alone).fetchHistory()).events?.length ?? 0;
    await tickets.send(alone, 'note');
    const before = await events();
    await assert.rejects(tickets.send(alone, 'sing' as never), /there is no event 'sing'/);
    assert.equal(await events(), before, 'what is refused leaves nothing');
    await tickets.send(alone, 'note');
    // Two tasks, the update, the move: docs/state-machine.md.
    assert.equal((await events()) - before, 11);
  });

  it('go over to a newer version of their code: what began under the old one ends under the new one', async () => {
    const taskQueue = `versions-${randomUUID()}`;
    const name = `tickets-${randomUUID().slice(0, 8)}`;
    const current = async (buildId: string) => {
      // It can be made current once a worker of it polls.
      await until(async () => {
        try {
          await client.workflowService.setWorkerDeploymentCurrentVersion({
            ...{ namespace: 'default', deploymentName: name, buildId, identity: 'test' },
          });
          return true;
        } catch (error) {
          if (!/not found|no.*poller|missing/i.test(String(error))) throw error;
          return false;
        }
      });
    };
    const stopFirst = await startWorker(taskQueue, 'one', { name, buildId: 'v1' });
    await current('v1');
    const tickets = machineClient<Ticket>(client, { taskQueue }, { workflow: 'ticketLife', machine: ticket as never });
    const [busy, idle, told] = [await open(), await open(), await open()];
    for (const id of [busy, idle]) {
      await tickets.start(id, {});
      await assert.rejects(tickets.send(id, 'check', { requestId: 'early' }), /there is no event 'check'/);
    }
    await tickets.send(busy, 'note');
    // One that is moved by messages only.
    await tickets.start(told, {});
    const tell = (id: string, event: string) => client.workflow.getHandle(told).signal(EVENT_SIGNAL, { id, event });
    await tell('t-1', 'note');
    await until(async () => (await tickets.view(told)).version === 1);
    const runOf = async (id: string) => {
      const { raw, runId } = await client.workflow.getHandle(id).describe();
      return [raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId, runId] as const;
    };
    const [, began] = await runOf(busy);
    await until(async () => (await runOf(idle))[0] === 'v1');
    const stop = await startWorker(taskQueue, 'two', { name, buildId: 'v2' });
    await current('v2');
    // The old workers are gone: the new one goes on with what they began, by the table that it began with.
    await stopFirst();
    await tickets.send(busy, 'note');
    assert.deepEqual(await runOf(busy), ['v2', began]);
    await tickets.wake(idle);
    await until(async () => (await tickets.view(idle)).runs === 1);
    // A deadline that is new runs from when it came to its state.
    const { since, deadlines } = await tickets.view(idle);
    assert.deepEqual(deadlines, [{ name: 'slow', at: since + 30 * 86_400_000, then: 'raises ticket-slow', rounds: 0 }]);
    // What the old table refuses the new one takes, and nothing overtakes it.
    for (const [id, event] of [
      ['t-2', 'check'],
      ['t-3', 'note'],
      ['t-2', 'check'],
      ['t-4', 'close'],
    ] as const)
      await tell(id, event);
    const { state, transitions } = await tickets.result(told);
    assert.deepEqual([state, transitions.map(({ event }) => event)], ['CLOSED', ['note', 'check', 'close']]);
    assert.deepEqual(
      alarms.filter((each) => each.startsWith(told)).map((each) => /'\w+' is illegal in \w+/.exec(each)?.[0]),
      [`'note' is illegal in CHECKED`],
    );
    for (const id of [busy, idle]) {
      await tickets.send(id, 'check', { requestId: 'checked' });
      assert.equal((await tickets.view(id)).runs, 1);
      await assert.rejects(tickets.send(id, 'note', { requestId: 'late' }), IllegalTransition);
      await tickets.send(id, 'close');
      assert.equal((await tickets.result(id)).state, 'CLOSED');
    }
    assert.equal((await tickets.send(busy, 'check', { requestId: 'checked' })).version, 3);
    // What both releases have driven replays under the newer one.
    const history = await client.workflow.getHandle(busy, began).fetchHistory();
    await Worker.runReplayHistory({ workflowBundle: await bundleOf(pathOf('two')) }, history, busy);
    await stop();
  });

  it('are begun anew from their rows when their code does not fit their history: nothing that was taken is lost, or done twice', async () => {
    const taskQueue = `unfit-${randomUUID()}`;
    const since = Date.now();
    const stopFirst = await startWorker(taskQueue, 'one', undefined, 0);
    const tickets = machineClient<typeof ticket>(client, { taskQueue }, { workflow: 'ticketLife', machine: ticket });
    const [id, saga] = [await open(), await open()];
    await tickets.start(id, {});
    // Shown as a transaction of another scheme: that one is told, and left alone.
    await client.workflow.start('ticketLife', {
      ...{ taskQueue, workflowId: saga, typedSearchAttributes: [{ key: TX_SCHEME, value: 'saga' }] },
    });
    for (const each of [id, saga]) await tickets.send(each, 'note', { requestId: 'n-1' });
    const runOf = async (of: string) => (await client.workflow.getHandle(of).describe()).runId;
    const [began, sagaBegan] = [await runOf(id), await runOf(saga)];
    // In the midst of a transition: its activity waits for the row, and two more wait for their turn; then another release comes.
    const holder = await pool.connect();
    await holder.query('begin');
    await holder.query('select 1 from tickets where id = $1 for update', [id]);
    const requests = ['n-2', 'n-3', 'n-4'];
    const ends = requests.map((requestId) =>
      tickets.send(id, 'note', { requestId, wait: '1 minute' }).catch((error: unknown) => error as Error),
    );
    await until(async () => {
      const { underWay, waiting } = await tickets.view(id);
      return underWay !== undefined && waiting === 2;
    });
    const stopped = stopFirst();
    await holder.query('rollback');
    holder.release();
    await stopped;
    const stopSecond = await startWorker(taskQueue, 'unfit', undefined, 0);
    // Something has it run: what was under way may be lost with its worker, and tried again only later.
    await tickets.wake(id);
    const late = tickets.send(saga, 'note', { requestId: 'n-2', wait: '20 seconds' }).catch((error: unknown) => error);
    void late;
    const viewed = tickets.view(id, { wait: '2 minutes' });
    viewed.catch(() => undefined);

    const scan = (failingMs: number, mostUnfit?: number): Promise<ScanReport> => {
      const environment = new MockActivityEnvironment({}, { client, logger: new DefaultLogger('ERROR') });
      const order = { since, failingMs, mostUnfit, taskFailures: 1, failingFrom: Date.now() };
      return environment.run(scanActivities()['backstitch.scan'], order);
    };
    const failingOf = async (of: string, failingMs: number) =>
      (await scan(failingMs)).failing?.find(({ gid }) => gid === of);
    // Not for long enough: told.
    await until(async () => (await failingOf(id, 3_600_000)) !== undefined);
    const told = await failingOf(id, 3_600_000);
    assert.match(told?.cause ?? '', /Nondeterminism/);
    assert.deepEqual([told?.scheme, told?.isBegunAnew, await runOf(id)], ['machine', undefined, began]);
    await until(async () => (await failingOf(saga, 3_600_000)) !== undefined);
    // It is shown from the fourth try on.
    await until(async () =>
      ((await showTransaction(client, saga)).failingTask?.cause ?? '').includes('Nondeterminism'),
    );
    // Who looks is told why there is no answer.
    const silence = await tickets.view(saga, { wait: '1 second' }).catch((error: unknown) => error as Error);
    assert.ok(silence instanceof WorkerSilent, 'it tells that no worker could answer');
    assert.match(silence.message, /within 1 s: its code fails \(.*Nondeterminism.*\): take back a release/);
    // Too many were begun anew within a day, by whichever scan: that is a release, and none is ended.
    const others = [0, 1].map((number) => `${id}-other-${number}`);
    for (const workflowId of others) {
      const typedSearchAttributes = [{ key: TX_SCHEME, value: 'machine' }];
      const handle = await client.workflow.start('ticketLife', { taskQueue, workflowId, typedSearchAttributes });
      await handle.terminate(`${BEGUN_ANEW}: a test`);
    }
    const ended = `${TX_SCHEME.name} = 'machine' AND ExecutionStatus = 'Terminated' AND WorkflowId STARTS_WITH '${id}-other-'`;
    await until(async () => (await client.workflow.count(ended)).count === others.length);
    const many = await scan(0, 2);
    const ofMany = many.failing?.find(({ gid }) => gid === id);
    assert.ok((ofMany?.ofMany ?? 0) >= 3, JSON.stringify(ofMany));
    assert.equal(await runOf(id), began);
    const report = await scan(0);
    const failing = report.failing ?? [];
    assert.deepEqual(
      [id, saga].map((of) => failing.find(({ gid }) => gid === of)?.isBegunAnew),
      [true, undefined],
    );
    assert.deepEqual([await runOf(saga), (await runOf(id)) === began], [sagaBegan, false]);
    assert.equal((await viewed).machine, 'ticket', 'who looked meanwhile is shown the next run');
    // Whoever waited has its answer, or a clear error, and asks again: once each.
    const answers = await Promise.all(ends);
    const versions = await Promise.all(
      requests.map(async (requestId, at) => {
        const { version } = await tickets.send(id, 'note', { requestId });
        const answer = answers[at];
        if (!(answer instanceof Error)) assert.equal(answer?.version, version);
        return version;
      }),
    );
    console.error(`      (${answers.filter((each) => !(each instanceof Error)).length} of 3 who waited were answered)`);
    assert.deepEqual(versions.toSorted(), [2, 3, 4]);
    const { rows } = await pool.query<{ request_id: string }>(
      'select request_id from ticket_moves where id = $1 order by request_id',
      [id],
    );
    assert.deepEqual(
      rows.map((row) => row.request_id),
      ['n-1', ...requests],
    );

    // The release is rolled back: what was begun anew under it does not fit, and is told, not ended again.
    const anew = await runOf(id);
    await stopSecond();
    await startWorker(taskQueue, 'one', undefined, 0);
    await tickets.wake(id);
    await until(async () => (await failingOf(id, 0)) !== undefined);
    assert.deepEqual([(await failingOf(id, 0))?.isBegunAnew, await runOf(id)], [undefined, anew]);
    // Whoever ends it has it begun by the scan.
    await client.workflow.getHandle(id).terminate('a test');
    await until(async () => {
      await scan(0);
      return (await runOf(id)) !== anew;
    });
    assert.equal((await tickets.send(id, 'note', { requestId: 'n-4' })).version, versions.at(-1));
    for (const each of [id, saga]) await client.workflow.getHandle(each).terminate('the test is over');
  });
});
