import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';
import { alarmActivities, webhookSink } from '../../src/kit/worker/index.js';
import { temporalAddress } from '../support/servers.js';
import { answer, drop, ok, Receiver } from '../kit/worker/support/receiver.js';
import { runWithin } from './support.js';

describe('alarm test', function () {
  this.timeout(120_000);
  const secret = randomBytes(32).toString('base64');
  const taskQueue = `alarms-${randomUUID()}`;
  let receiver: Receiver;
  let env: Record<string, string>;
  let close: () => Promise<void>;

  before(async () => {
    const address = await temporalAddress();
    receiver = await Receiver.open();
    const connection = await NativeConnection.connect({ address });
    const worker = await Worker.create({
      connection,
      taskQueue,
      workflowsPath: fileURLToPath(new URL('../kit/workflow/workflows/alarms.ts', import.meta.url)),
      activities: { ...alarmActivities({ sink: webhookSink({ url: receiver.url, secret }) }) },
    });
    const running = worker.run();
    env = { TEMPORAL_ADDRESS: address, BACKSTITCH_TASK_QUEUE: taskQueue };
    close = async () => {
      worker.shutdown();
      await running;
      await connection.close();
      await receiver.close();
    };
  });
  after(() => close());

  const run = (...args: string[]) => runWithin(['alarm', 'test', ...args], env);

  it('says where the alarm was delivered, also if it had to be tried again: exit code 0', async () => {
    receiver.behave(answer(500), ok);
    const { code, stdout } = await run();
    assert.deepEqual([code, stdout], [0, `the test alarm was delivered to ${receiver.origin}\n`]);
    assert.equal(receiver.received.length, 2);
    const [received] = receiver.received;
    assert.equal(received?.event.type, 'backstitch.alarm.test');
    assert.ok(received.signedWith(secret));
  });

  it('says why it was not: exit code 1', async () => {
    receiver.behave(answer(401, {}, 'who are you?'));
    const refused = await run('--json');
    const reason = `${receiver.origin} answered 401: who are you?`;
    assert.deepEqual([refused.code, refused.json()], [1, { delivered: false, reason }]);
    assert.equal(receiver.received.length, 1);

    receiver.behave(drop);
    const dropped = await run();
    assert.equal(dropped.code, 1);
    assert.match(
      dropped.stdout,
      /^the test alarm was NOT delivered: http:\/\/127.0.0.1:\d+ cannot be reached \(.+\)\n$/,
    );
    assert.equal(receiver.received.length, 3);
  });

  it('without a worker says so, and starts nothing: exit code 2', async () => {
    const { code, stderr } = await run('--task-queue', `${taskQueue}-unserved`);
    assert.equal(code, 2);
    assert.match(stderr.join('\n'), /^no worker serves task queue/);
  });
});
