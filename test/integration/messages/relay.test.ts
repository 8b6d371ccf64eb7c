import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { decideMessages, scanNow, showMessages, startRelays } from '../../../src/kit/client/index.js';
import { Poison, type Sink } from '../../../src/kit/database/index.js';
import {
  alarmActivities,
  relayActivities,
  scanActivities,
  temporalSink,
  type RelayActivities,
} from '../../../src/kit/worker/index.js';
import { relayId } from '../../../src/kit/workflow/outbox.js';
import type { Alarm } from '../../../src/kit/workflow/index.js';
import { outboxOf, OutboxStage, Recorder } from '../../kit/database/outbox/stage.js';
import { bundleOf } from '../../support/bundles.js';
import { alarmsInto, openTemporal, type TestTemporal } from '../../support/temporal.js';
import { until } from '../../support/until.js';

const workflowsPath = fileURLToPath(new URL('./workflows.ts', import.meta.url));

describe('relays under Temporal', function () {
  this.timeout(120_000);
  const stage = new OutboxStage();
  const outbox = outboxOf();
  let temporal: TestTemporal;
  let client: Client;
  let taskQueue: string;
  let workers: { stop: () => Promise<void> }[] = [];
  before(async () => {
    temporal = await openTemporal();
    ({ client } = temporal);
  });
  after(() => temporal.close());
  beforeEach(() => {
    taskQueue = `messages-${randomUUID()}`;
  });
  afterEach(async () => {
    await Promise.all(workers.map(({ stop }) => stop()));
    workers = [];
    await client.workflow
      .getHandle(id())
      .terminate('the test is over')
      .catch(() => undefined);
  });
  const id = () => relayId(taskQueue, { outbox: 'shop', stream: 'shop/all/0' });
  const relays = () => startRelays(client, { taskQueue, outboxes: [outbox] });

  /** @param released what a worker of another release has of the activities */
  const serve = async (
    sink: Sink,
    alarms: Alarm[] = [],
    released = (activities: RelayActivities['activities']): object => activities,
  ) => {
    const alarming = alarmActivities({ sink: alarmsInto(alarms) });
    const made: RelayActivities = relayActivities({
      outboxes: [{ outbox, database: stage.db, sinks: { all: sink } }],
      who: 'tester',
      alarms: alarming,
    });
    const worker = await Worker.create({
      ...{ connection: temporal.native, taskQueue, workflowBundle: await bundleOf(workflowsPath) },
      activities: {
        ...released(made.activities),
        ...alarming,
        ...scanActivities({ outboxes: [{ outbox, database: stage.db }] }),
      },
      shutdownGraceTime: '1 hour',
    });
    const running = worker.run();
    let stopped: Promise<void> | undefined;
    const stop = () => {
      stopped ??= (async () => {
        made.stop();
        worker.shutdown();
        await running;
      })();
      return stopped;
    };
    const one = { stop };
    workers.push(one);
    return one;
  };

  it('deliver what is added, under one workflow a stream however often they are started', async () => {
    const sink = new Recorder();
    await serve(sink);
    await Promise.all([relays(), relays()]);
    await relays();
    await stage.add(outbox, { topic: 'a', payload: 1 }, { topic: 'a', payload: 2 });
    await sink.taken(2);
    assert.deepEqual(sink.payloads, [1, 2]);
    const { raw } = await client.workflow.getHandle(id()).describe();
    const names = raw.pendingActivities?.map(({ activityType }) => activityType?.name);
    assert.deepEqual(names, ['backstitch.deliverMessages']);
  });

  it('go on at another worker at once when theirs is stopped, however long it may take to stop', async () => {
    const [one, two] = [new Recorder(), new Recorder()];
    const first = await serve(one);
    await relays();
    await stage.add(outbox, { topic: 'a', payload: 1 });
    await one.taken(1);
    await first.stop();
    await stage.add(outbox, { topic: 'a', payload: 2 });
    await serve(two);
    await two.taken(1);
    assert.deepEqual([one.payloads, two.payloads], [[1], [2]]);
  });

  it('are started again by a scan when they were ended from outside and messages wait; it leaves alone what nobody ever delivered', async () => {
    const sink = new Recorder();
    const alarms: Alarm[] = [];
    const first = await serve(sink, alarms);
    await stage.pool.query('truncate backstitch.outbox_relays');
    await stage.add(outbox, { topic: 'a', payload: 1 });
    const scan = () => scanNow(client, { taskQueue }, { messagesAgeMs: 0 });
    assert.deepEqual((await scan()).undelivered, []);
    await relays();
    await sink.taken(1);
    await client.workflow.getHandle(id()).terminate('by mistake');
    // What it runs just then would deliver on until it hears of that.
    await first.stop();
    await serve(sink, alarms);
    // All that waits was to be delivered later, and is due.
    await stage.add(outbox, { topic: 'a', payload: 2, deliverAfter: Date.now() - 10_000 });
    const [found, ...rest] = (await scan()).undelivered ?? [];
    assert.deepEqual(rest, []);
    assert.deepEqual([found?.stream, found?.waiting, found?.startedAgain], ['shop/all/0', 1, true]);
    await sink.taken(2);
    // The scan sees what other tests have in the namespace, too.
    const raised = () => alarms.find(({ kind }) => kind === 'messages-undelivered');
    await until(() => raised() !== undefined);
    assert.match(
      raised()?.message ?? '',
      /^1 messages of shop\/all\/0 wait, the oldest since .*: .* is started again$/,
    );
  });

  it('tell by an alarm of what became a dead letter; a person sees and decides it', async () => {
    const sink = new Recorder();
    let isBad = true;
    sink.onMessage = ({ payload }) =>
      isBad && payload === 'bad' ? Promise.reject(new Poison('not understood')) : Promise.resolve();
    const alarms: Alarm[] = [];
    await serve(sink, alarms);
    await relays();
    await stage.add(
      outbox,
      { topic: 'a', key: 'k', id: 'm-1', payload: 'bad' },
      { topic: 'a', key: 'k', payload: 'next' },
    );
    while (alarms.length === 0) await client.connection.workflowService.getSystemInfo({});
    const [alarm] = alarms;
    assert.ok(alarm);
    assert.deepEqual(
      [alarm.kind, alarm.message],
      ['dead-letter', "message m-1 (a, key 'k') of shop/all/0 is a dead letter: not understood"],
    );

    let shown = await showMessages(client, { taskQueue });
    while (shown.letters[0]?.behind !== 1) shown = await showMessages(client, { taskQueue });
    const [letter] = shown.letters;
    assert.deepEqual(
      [letter.outbox, letter.stream, letter.id, letter.error, shown.total, shown.unread],
      ['shop', 'shop/all/0', 'm-1', 'not understood', 1, []],
    );
    const [stream] = shown.streams;
    assert.ok(stream);
    assert.deepEqual([stream.waiting, stream.aside, stream.dead, stream.relay?.owner], [0, 2, 1, 'tester']);

    const order = { actor: 'ann', reason: 'the consumer is mended', action: 'resend' } as const;
    assert.deepEqual((await decideMessages(client, { taskQueue }, { ...order, id: 'another' })).decided, []);
    isBad = false;
    const { decided } = await decideMessages(client, { taskQueue }, { ...order, id: 'm-1' });
    assert.deepEqual(
      decided.map((each) => each.id),
      ['m-1'],
    );
    await sink.taken(2);
    assert.deepEqual(sink.payloads, ['bad', 'next']);
    const none = await showMessages(client, { taskQueue }, { outbox: 'another' });
    assert.deepEqual(none.unread, [{ outbox: 'another', message: 'there is no such outbox: the worker has shop' }]);
  });

  it('have a person decide about more dead letters than one part has, by one order', async () => {
    await serve(new Recorder());
    await stage.fillDead('shop/all/0', 1_050);
    const order = { actor: 'ann', reason: 'nobody wants them', action: 'discard', topic: 'a' } as const;
    const { decided, count, unread } = await decideMessages(client, { taskQueue }, order);
    assert.deepEqual([decided.length, count, unread], [1_000, 1_050, []]);
    assert.deepEqual([decided[0]?.id, (await showMessages(client, { taskQueue })).total], ['dead-1', 0]);
  });

  it('keep what is left over from being dropped while the workflow that delivered it runs: another release may', async () => {
    const stream = 'shop/old/0';
    const before = outboxOf({ subscribers: { old: '*' } });
    await serve(new Recorder());
    await stage.add(before, { topic: 'a', payload: 1 });
    await startRelays(client, { taskQueue, outboxes: [before] });
    const drop = () =>
      decideMessages(client, { taskQueue }, { action: 'discard', left: stream, actor: 'ann', reason: 'renamed' });
    const refused = await drop();
    assert.deepEqual([refused.count, await stage.count('outbox')], [0, 1]);
    const workflowId = relayId(taskQueue, { outbox: 'shop', stream });
    assert.match(refused.unread[0]?.message ?? '', new RegExp(`its workflow ${workflowId} runs`));
    await client.workflow.getHandle(workflowId).terminate('nobody has that stream');
    assert.deepEqual([(await drop()).count, await stage.count('outbox')], [1, 0]);
  });

  it('have no order decided by a worker of an older release, which would take it for one about all dead letters', async () => {
    await stage.fillDead('shop/all/0', 1);
    let asked = 0;
    const older = await serve(new Recorder(), [], (activities) => {
      const decide = activities['backstitch.decideMessages'];
      const counted: typeof decide = (given) => {
        asked++;
        return decide(given);
      };
      return { ...activities, 'backstitch.decideLetters': undefined, 'backstitch.decideMessages': counted };
    });
    const order = { actor: 'ann', reason: 'nobody wants it', action: 'discard', to: 'all' } as const;
    const deciding = decideMessages(client, { taskQueue }, order);
    const query = `TaskQueue = '${taskQueue}' and WorkflowType = 'decideLetters'`;
    const hasFailed = async () => {
      for await (const { workflowId } of client.workflow.list({ query })) {
        const { raw } = await client.workflow.getHandle(workflowId).describe();
        if (raw.pendingActivities?.some(({ lastFailure }) => lastFailure?.message?.includes('not registered')))
          return true;
      }
      return false;
    };
    await until(async () => asked > 0 || (await hasFailed()));
    await older.stop();
    await serve(new Recorder());
    assert.deepEqual([(await deciding).count, asked], [1, 0]);
  });

  it('start a workflow for each message, once, though it is delivered twice', async () => {
    const to = temporalSink({ client, taskQueue, topics: { a: { workflow: 'takeMessage' } } });
    const sink = new Recorder();
    sink.onMessage = async (message, signal) => {
      await to.deliver(message, signal);
      await to.deliver(message, signal);
    };
    await serve(sink);
    await relays();
    await stage.add(outbox, { topic: 'a', id: `m-${taskQueue}`, payload: 7 });
    await sink.taken(1);
    const handle = client.workflow.getHandle(`message/shop/a/takeMessage/m-${taskQueue}`);
    assert.equal(await handle.result(), 7);
    // After it has ended, too.
    const [message] = sink.got;
    assert.ok(message);
    await to.deliver(message, new AbortController().signal);
    const first = await handle.describe();
    assert.deepEqual([first.status.name, await handle.result()], ['COMPLETED', 7]);
    assert.equal(first.raw.workflowExecutionInfo?.firstRunId, first.runId);
  });

  it('signal a workflow, which tells what comes twice by its id', async () => {
    const workflowId = `gather-${taskQueue}`;
    const to = temporalSink({
      ...{ client, taskQueue },
      topics: { a: { workflow: 'gather', signal: 'arrived', workflowId: () => workflowId } },
    });
    const sink = new Recorder();
    sink.onMessage = async (message, signal) => {
      await to.deliver(message, signal);
      await to.deliver(message, signal);
    };
    await serve(sink);
    await relays();
    await stage.add(outbox, ...[1, 2, 3].map((payload) => ({ topic: 'a', key: 'k', payload })));
    await sink.taken(3);
    const handle = client.workflow.getHandle(workflowId);
    await handle.signal('all');
    assert.deepEqual(await handle.result(), [1, 2, 3]);
  });

  it('make a dead letter of a topic that no workflow takes', async () => {
    const to = temporalSink({ client, taskQueue, topics: { b: { workflow: 'takeMessage' } } });
    await serve(to);
    await relays();
    await stage.add(outbox, { topic: 'a', payload: 1 });
    let shown = await showMessages(client, { taskQueue });
    while (shown.total === 0) shown = await showMessages(client, { taskQueue });
    assert.equal(shown.letters[0]?.error, "no workflow takes the topic 'a': name one among the sink's topics");
  });
});
