import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Client } from '@temporalio/client';
import {
  applySchedules,
  listSchedules,
  scanNow,
  type AppliedSchedule,
  type ShownSchedule,
} from '../../src/kit/client/index.js';
import type { ForgetReport } from '../../src/kit/workflow/index.js';
import { shopSchedules } from '../../src/contracts/schedules.js';
import { until } from '../support/until.js';
import { openClientWorld, type ClientWorld } from './support.js';
import { connectTo } from '../support/connection.js';

describe('the command line of schedules', function () {
  this.timeout(180_000);
  let world: ClientWorld;
  let client: Client;
  let taskQueue: string;
  before(async () => {
    world = await openClientWorld();
    client = new Client({ connection: await connectTo(world.address) });
    taskQueue = world.env.BACKSTITCH_TASK_QUEUE ?? '';
  });
  after(async () => {
    const own = await list();
    for (const { id } of own)
      await client.schedule
        .getHandle(id)
        .delete()
        .catch(() => undefined);
    await client.connection.close();
    await world.close();
  });
  const run = (...args: string[]) => world.run('schedules', ...args);
  /** As `schedules list --json`, which costs a process. */
  const list = () => listSchedules(client, taskQueue, shopSchedules);
  const one = async (name: string) => (await list()).find((each) => each.name === name) ?? assert.fail(`no ${name}`);
  const applied = async (...args: string[]) =>
    (await run('apply', '--json', ...args)).json<{ schedules: AppliedSchedule[] }>().schedules;
  const names = shopSchedules.map(({ name }) => name);

  it('are not there until they are applied, which the list says: exit code 4', async () => {
    const shown = await run('list');
    assert.equal(shown.code, 4);
    for (const name of names)
      assert.match(shown.stdout, new RegExp(`✗ ${name}: it is not there: nobody has applied it`));
    for (const [args, line] of [
      [['run', 'scan'], /there is no schedule .*-scan: schedules list shows/],
      [['pause', 'scan', '--actor', 'ann', '--reason', 'r'], /there is no schedule/],
      [['resume', 'scan', '--actor', 'ann', '--reason', 'r'], /there is no schedule/],
      [['apply', '--at', 'scan=02:30'], /must be one of those that run daily: .*forget/],
      [['apply', '--at', 'forget=24:00'], /give NAME=HH:MM/],
    ] as const) {
      const { code, stderr } = await run(...args);
      assert.deepEqual([code, stderr.length], [2, 1], stderr.join('\n'));
      assert.match(stderr[0] ?? '', line);
    }
  });

  it('are applied, daily at an hour of UTC; those that nobody knows are told of, and removed if that is asked', async () => {
    // A task queue whose name begins like this one's has schedules of its own.
    const other = `${taskQueue}-2`;
    await applySchedules(client, other, [{ name: 'own', workflow: 'w', every: '1 day', note: 'n' }]);
    await applySchedules(client, taskQueue, [
      { name: 'old', workflow: 'scanTransactions', every: '1 day', note: 'before' },
    ]);
    await until(async () => (await one('old')).isUnknown);
    const first = await applied('--at', 'forget=23:45');
    assert.deepEqual(
      first.map(({ id, done }) => [id.slice(taskQueue.length + 1), done]),
      [...names.map((name) => [name, 'created']), ['old', 'unknown']],
    );
    const { spec, policies } = await client.schedule.getHandle(`${taskQueue}-forget`).describe();
    const [calendar] = spec.calendars ?? [];
    assert.deepEqual(
      [calendar?.hour, calendar?.minute],
      [[{ start: 23, end: 23, step: 1 }], [{ start: 45, end: 45, step: 1 }]],
    );
    assert.deepEqual([spec.timezone, spec.jitter, policies.overlap], ['UTC', 600_000, 'SKIP']);
    assert.equal(policies.catchupWindow, 12 * 3_600_000);
    const again = await run('apply', '--prune');
    assert.match(again.stdout, /-scan: updated\n[\s\S]*-old: removed\n$/);
    await until(async () => (await list()).length === names.length);
    await client.schedule.getHandle(`${other}-own`).delete();
    const { schedules } = (await run('list', '--json')).json<{ schedules: ShownSchedule[] }>();
    const shown = schedules.find(({ name }) => name === 'forget') ?? assert.fail('it is not listed');
    assert.deepEqual([shown.state, shown.trouble, shown.runs], ['on', undefined, []]);
    assert.ok((shown.next ?? 0) > Date.now());
  });

  it('are paused by somebody for a reason, which applying keeps; and resumed', async () => {
    const who = ['--actor', 'ann', '--reason', 'the disk is slow'];
    const paused = await run('pause', 'collect-log', ...who);
    assert.match(paused.stdout, /^collect-log: paused by ann since 20\S+Z: the disk is slow\n$/);
    const late = await run('pause', 'collect-log', '--actor', 'bob', '--reason', 'me too');
    assert.deepEqual([late.code, late.stdout], [0, paused.stdout], 'who was first is told');
    await applied();
    const { state, paused: found, next } = await one('collect-log');
    assert.deepEqual([state, found?.actor, found?.reason, next], ['paused', 'ann', 'the disk is slow', undefined]);
    assert.match((await run('list')).stdout, /collect-log is paused by ann since 20\S+Z: the disk is slow/);
    const resumed = await run('resume', 'collect-log', '--actor', 'bob', '--reason', 'it is fast');
    assert.deepEqual([resumed.code, resumed.stdout], [0, 'collect-log: resumed by bob\n']);
    assert.equal((await run('resume', 'collect-log', ...who)).stdout, 'collect-log: it was not paused\n');
    assert.equal((await one('collect-log')).state, 'on');
  });

  it('run when they are asked to, paused or not, and are waited for: retention reports each table', async () => {
    await run('pause', 'forget', '--actor', 'ann', '--reason', 'a test');
    const done = await run('run', 'forget', '--wait', '1 minute', '--json');
    assert.equal(done.code, 0, done.stdout + done.stderr.join('\n'));
    const { outcome, result } = done.json<{ outcome: string; result: ForgetReport }>();
    assert.deepEqual([outcome, result.removed, result.notBegun, result.unread], ['completed', 0, [], []]);
    const tables = new Set(result.parts.map(({ database, table }) => `${database} ${table}`));
    for (const each of [
      'orders order_events',
      'bank_a holds',
      'bank_c transfers',
      'callers state_table',
      'warehouse inbox',
    ]) {
      assert.ok(tables.has(each), each);
    }
    for (const each of ['orders guard', 'orders inbox', 'orders outbox_delivered', 'orders outbox_decisions']) {
      assert.ok(tables.has(each), each);
    }
    const [last] = (await one('forget')).runs;
    assert.equal(last?.outcome, 'completed');
    await run('resume', 'forget', '--actor', 'ann', '--reason', 'a test');
  });

  it('that fail are told by the list, and by an alarm of the scan', async () => {
    const failing = { name: 'failing', workflow: 'proveBooks', args: [], daily: { hour: 3 }, note: 'fails' } as const;
    await applySchedules(client, taskQueue, [{ ...failing, workflow: 'forgetOld', args: [{ days: { guard: 0.5 } }] }]);
    const failed = await run('run', 'failing', '--wait', '1 minute', '--json');
    assert.equal(failed.code, 1, failed.stdout);
    const { failure, details } = failed.json<{ failure: string; details: ForgetReport }>();
    assert.match(
      failure,
      /guard of bank_a: olderThanDays is 0.5: it must be a whole number.*; all else was done, 0 rows$/,
    );
    assert.ok(
      details.parts.some(({ table, finished }) => table === 'inbox' && finished),
      'the others are done',
    );
    await until(async () => (await list()).some(({ name, trouble }) => name === 'failing' && trouble !== undefined));
    const shown = await run('list');
    assert.equal(shown.code, 4);
    assert.match(shown.stdout, /✗ failing: its last run has not done all \(failed: /);
    const { schedules } = await scanNow(client, { taskQueue });
    assert.deepEqual(
      schedules?.map(({ id }) => id),
      [`${taskQueue}-failing`],
    );
    await client.schedule.getHandle(`${taskQueue}-failing`).delete();
  });

  it('of which one is asked to run while it does are told of that run', async () => {
    const name = `held-${randomUUID()}`;
    await applySchedules(client, taskQueue, [{ name, workflow: 'nobodyHasThis', every: '1 day', note: 'n' }]);
    const first = await run('run', name);
    assert.deepEqual([first.code, first.stderr], [0, []]);
    assert.match(first.stdout, /: running\n$/);
    const second = await run('run', name, '--wait', '1 second');
    assert.equal(second.code, 3);
    assert.equal(second.stdout, `it runs already: ${first.stdout}`);
    const [{ workflowId } = assert.fail('it has no run')] =
      (await list()).find((each) => each.name === name)?.runs ?? [];
    await client.workflow.getHandle(workflowId).terminate();
    await client.schedule.getHandle(`${taskQueue}-${name}`).delete();
  });
});
