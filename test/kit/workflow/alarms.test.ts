import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { answer, drop, hang, ok } from '../worker/support/receiver.js';
import { alarm, AlarmsEnvironment } from './support/alarms-world.js';

describe('alarms of transactions', function () {
  this.timeout(300_000);
  let environment: AlarmsEnvironment;
  before(async () => {
    environment = await AlarmsEnvironment.open();
  });
  afterEach(() => environment.closeWorlds());
  after(() => environment.close());

  it('arrive, as the event that a receiver can use, from the first on', async () => {
    const world = await environment.world();
    await world.raise(alarm('1', { data: { since: 5 } }));
    await world.until('delivered', ({ counts }) => counts.delivered === 1);
    const [received] = world.received();
    const { event } = received ?? assert.fail('nothing came');
    assert.deepEqual(event, {
      ...{ specversion: '1.0', id: '1', type: 'backstitch.alarm.stuck', subject: 'order-1' },
      ...{ source: `/backstitch/default/${world.taskQueue}`, time: '1970-01-01T00:00:00.000Z' },
      datacontenttype: 'application/json',
      data: { kind: 'stuck', message: '1 is stuck', gid: 'order-1', branch: 'pay', details: { since: 5 } },
    });
  });

  it('arrive once that are raised twice: while the first is being delivered, and afterwards', async () => {
    const world = await environment.world();
    let first: ServerResponse | undefined;
    world.receiver.behave((response) => (first = response), ok);
    await world.raise(alarm('1'));
    await world.receiver.came(1);
    await world.raise(alarm('1'), alarm('1', { message: 'in other words' }));
    first?.writeHead(200).end();
    await world.until('delivered', ({ counts }) => counts.delivered === 1);
    await world.raise(alarm('1'), alarm('2'));
    const { counts } = await world.until('both', ({ waiting, counts: { delivered } }) => waiting + delivered === 2);
    assert.equal(counts.repeated, 3);
    await world.until('both delivered', ({ counts: { delivered } }) => delivered === 2);
    assert.deepEqual(world.ids(), ['1', '2']);
  });

  it('arrive in the end, however the receiver fails: 500, hanging, a dropped connection, too many', async () => {
    const world = await environment.world({}, { timeoutMs: 500 });
    world.receiver.behave(answer(500), hang, drop, answer(503), answer(429), ok);
    await world.raise(alarm('1'));
    await world.pass('10 minutes');
    await world.until('delivered', ({ counts }) => counts.delivered === 1);
    const received = world.received();
    assert.equal(received.length, 6);
    assert.equal(new Set(received.map(({ headers }) => headers['webhook-id'])).size, 1);
    assert.equal(new Set(received.map(({ body }) => body)).size, 1);
  });

  it('are not sent again before the time that the receiver names', async () => {
    const world = await environment.world();
    world.receiver.behave(answer(429, { 'retry-after': '120' }), ok);
    await world.raise(alarm('1'));
    await world.pass('5 minutes');
    await world.until('delivered', ({ counts }) => counts.delivered === 1);
    const [first = 0, second = 0] = await world.scheduledAt();
    assert.ok(second - first >= 120 && second - first < 150, `${second - first} s`);
  });

  it('that the receiver refuses are not sent again, and it is told with the next that it takes', async () => {
    const world = await environment.world();
    world.receiver.decide(({ event }) => (event.id === '1' ? answer(400, {}, 'what is that?') : ok));
    await world.raise(alarm('1'));
    await world.until('refused', ({ counts }) => counts.refused === 1);
    await world.pass('2 hours');
    await world.raise(alarm('2'));
    await world.until('told', ({ counts }) => counts.delivered === 1 && counts.summaries === 1);
    assert.deepEqual(world.ids(), ['1', '2']);
    assert.deepEqual(
      world.told().map(({ reason, count, gids }) => [reason, count, gids]),
      [['refused', 1, ['order-1']]],
    );
  });

  it('that the receiver cannot digest hold up no other', async () => {
    const world = await environment.world();
    world.receiver.decide(({ event }) => (event.id.startsWith('poison') ? answer(500) : ok));
    await world.raise(...['a', 'b', 'c', 'd', 'e', 'f'].map((each) => alarm(`poison-${each}`)));
    await world.until('tried', ({ failing }) => failing === 6);
    await world.pass('1 hour');
    await world.raise(alarm('1'), alarm('2'));
    const { failing } = await world.until('delivered', ({ counts }) => counts.delivered === 2);
    assert.equal(failing, 6);
  });

  it('survive a receiver that is down for hours, and a worker that is stopped meanwhile', async () => {
    const world = await environment.world({ historyEvents: 150 });
    world.receiver.behave(drop);
    const ids = Array.from({ length: 25 }, (_, n) => String(n));
    await world.raise(...ids.map((id) => alarm(id)));
    await world.until('all were tried', ({ failing }) => failing === 25);
    await world.pass('2 hours');
    // A delivery that is lost with its worker holds up this server's time until it has timed out by the real one.
    await world.until('nothing is on its way', () => true);
    await world.stopWorker();
    await world.startWorker();
    await world.pass('2 hours');
    const attempts = world.receiver.received.length;
    assert.ok(attempts > 25 + 40 && attempts < 25 + 4 * 12 + 15, `${attempts} attempts in 4 hours`);
    world.receiver.behave(ok);
    await world.pass('6 minutes');
    await world.until('delivered', ({ counts }) => counts.delivered === 25);
    assert.deepEqual(world.ids().sort(), ids.sort());
  });

  it('are given up when their time is over, which is told as soon as the receiver answers', async () => {
    const world = await environment.world({ giveUpMs: 3_600_000, historyEvents: 150 });
    world.receiver.behave(answer(500));
    await world.raise(alarm('1'), alarm('2'), alarm('3', { kind: 'orphan' }));
    await world.until('tried', ({ failing }) => failing === 3);
    // An hour, and one more attempt for each.
    await world.pass('80 minutes');
    const { counts, waiting } = await world.until('given up', ({ counts: { givenUp } }) => givenUp === 3);
    assert.deepEqual([waiting, counts.delivered], [0, 0]);
    world.receiver.behave(ok);
    await world.raise(alarm('4'));
    await world.until('told', ({ counts: { summaries } }) => summaries === 2);
    assert.deepEqual(world.ids(), ['4']);
    assert.deepEqual(
      world
        .told()
        .map(({ reason, of, count, gids }) => `${reason} ${of} ${count} ${gids.toSorted().join()}`)
        .sort(),
      ['given-up orphan 1 order-3', 'given-up stuck 2 order-1,order-2'],
    );
  });

  it('over the rate of their kind are told in one summary when its window is over', async () => {
    const world = await environment.world({ rate: { most: 3, windowMs: 3_600_000 } });
    const ids = Array.from({ length: 15 }, (_, n) => String(n));
    await world.raise(...ids.map((id) => alarm(id)), alarm('o', { kind: 'orphan' }));
    await world.until('delivered', ({ counts }) => counts.delivered === 4);
    const { counts } = await world.view();
    assert.equal(counts.overTheRate, 12);
    assert.deepEqual(world.told(), []);
    await world.pass('1 hour');
    await world.until('told', ({ counts: { summaries } }) => summaries === 1);
    // A few are on their way at the same time: which arrives first is not promised.
    assert.deepEqual(world.ids().sort(), ['0', '1', '2', 'o']);
    const [summary] = world.told();
    assert.deepEqual([summary?.of, summary?.count], ['stuck', 12]);
    assert.deepEqual(
      summary?.gids,
      ids.slice(3, 13).map((id) => `order-${id}`),
    );
  });

  it('keep their queue and their memory when the workflow continues as new', async () => {
    const world = await environment.world({ historyEvents: 60, rate: { most: 1_000, windowMs: 60_000 } });
    world.receiver.decide(({ event }) => (event.id.startsWith('late') ? answer(500) : ok));
    await world.raise(alarm('late-1'), alarm('late-2'));
    const { runId: begun } = await world.handle.describe();
    const ids = Array.from({ length: 40 }, (_, n) => String(n));
    await world.raise(...ids.map((id) => alarm(id)));
    await world.until('delivered', ({ counts }) => counts.delivered === 40);
    const { runId } = await world.handle.describe();
    assert.notEqual(runId, begun);
    await world.raise(...ids.map((id) => alarm(id)), alarm('late-1'));
    const { counts, waiting } = await world.until('seen', ({ counts: { repeated } }) => repeated === 41);
    assert.deepEqual([waiting, counts.delivered], [2, 40]);
    world.receiver.behave(ok);
    await world.pass('6 minutes');
    await world.until('all', ({ counts: { delivered } }) => delivered === 42);
    assert.deepEqual(world.ids().sort(), ['late-1', 'late-2']);
  });

  it('cost nothing when there are none: no timer, no task, for weeks', async () => {
    const world = await environment.world();
    world.receiver.behave(answer(500), ok);
    await world.raise(alarm('1'));
    await world.pass('1 minute');
    await world.until('delivered', ({ waiting, counts }) => waiting === 0 && counts.delivered === 1);
    await world.pass('10 minutes'); // A last timer may be left.
    const before = await world.handle.describe();
    await world.pass('30 days');
    const after = await world.handle.describe();
    assert.equal(after.status.name, 'RUNNING');
    assert.equal(after.historyLength, before.historyLength);
    await world.raise(alarm('2'));
    await world.until('delivered', ({ counts }) => counts.delivered === 2);
  });

  it('wait for a worker that is not there', async () => {
    const world = await environment.world();
    await world.stopWorker();
    await environment.temporal.client.workflow.signalWithStart('deliverAlarms', {
      workflowId: world.handle.workflowId,
      taskQueue: world.taskQueue,
      signal: 'alarm',
      signalArgs: [alarm('1')],
    });
    await world.startWorker();
    await world.until('delivered', ({ counts }) => counts.delivered === 1);
    assert.deepEqual(world.ids(), ['1']);
  });

  it('are raised again when no worker has taken them in time', async () => {
    const world = await environment.world();
    await world.stopWorker();
    await world.startWorker({ activities: false });
    const raised = await world.raiseAgain(alarm('1'), 3);
    await world.stopWorker();
    await world.startWorker();
    await raised();
    await world.until('delivered', ({ counts }) => counts.delivered === 1);
    assert.deepEqual(world.ids(), ['1']);
  });

  it('are not given up untried, though no worker was there in all their time', async () => {
    const world = await environment.world({ giveUpMs: 1 });
    await world.raise(alarm('1'));
    await world.until('delivered', ({ counts }) => counts.delivered === 1);
    await world.stopWorker();
    await world.startWorker({ activities: false });
    const ids = ['2', '3', '4', '5', '6', '7', '8', '9'];
    for (const id of ids) await world.handle.signal('alarm', alarm(id), { giveUpMs: 1 });
    // Each passes the time, and none is delivered.
    for (const id of ids) await world.handle.signal('alarm', alarm(id), { giveUpMs: 1 });
    await world.stopWorker();
    await world.startWorker();
    const { counts } = await world.until('delivered', ({ waiting }) => waiting === 0);
    assert.deepEqual([counts.delivered, counts.givenUp], [9, 0]);
    assert.deepEqual(world.ids().sort(), ['1', ...ids]);
  });

  it('are cut where they say too much, and go by a digest where their id is too long', async () => {
    const world = await environment.world();
    const long = alarm('x'.repeat(5_000), { gid: 'order-7', message: 'm'.repeat(5_000), data: 'd'.repeat(50_000) });
    await world.raise(long, long);
    const { counts } = await world.until('delivered', ({ counts: { delivered } }) => delivered === 1);
    assert.equal(counts.repeated, 1);
    const [received] = world.received();
    assert.match(received?.event.id ?? '', /^[0-9a-f]{64}$/);
    assert.equal(received?.event.data.message, `${'m'.repeat(1_000)}…`);
    assert.deepEqual(received.event.data.details, { cut: `"${'d'.repeat(3_999)}…` });
  });

  it('that are none fail their activity, not their transaction', async () => {
    const world = await environment.world();
    await world.raise(alarm(''), alarm('1', { kind: 'No Kind' }), alarm('2'));
    await world.until('delivered', ({ counts }) => counts.delivered === 1);
    assert.deepEqual(world.ids(), ['2']);
  });

  it('are not stopped by a signal that is none', async () => {
    const world = await environment.world();
    await world.raise(alarm('1'));
    for (const signalArgs of [[], ['nonsense'], [{ id: 7 }]]) await world.handle.signal('alarm', ...signalArgs);
    await world.raise(alarm('2'));
    await world.until('delivered', ({ waiting, counts }) => waiting === 0 && counts.delivered === 2);
    assert.deepEqual(world.ids().sort(), ['1', '2']);
  });

  it('are dropped by who cancels the workflow, and the next begins another', async () => {
    const world = await environment.world();
    world.receiver.behave(answer(500));
    await world.raise(alarm('1'));
    await world.until('tried', ({ failing }) => failing === 1);
    await world.handle.cancel();
    await assert.rejects(world.handle.result());
    world.receiver.behave(ok);
    await world.raise(alarm('2'));
    await world.until('delivered', ({ counts }) => counts.delivered === 1);
    assert.deepEqual(world.ids(), ['2']);
  });
});
