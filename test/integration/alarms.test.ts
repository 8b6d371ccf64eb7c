import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { alarmActivities, webhookSink } from '../../src/kit/worker/index.js';
import { ALARM_SIGNAL, alarmsWorkflowId, DELIVER_ALARMS, type Alarm } from '../../src/kit/workflow/alarms.js';
import { answer, ok, Receiver } from '../kit/worker/support/receiver.js';
import { temporalAddress } from '../support/servers.js';
import { connectTo } from '../support/connection.js';

describe('hundreds of alarms at once', function () {
  this.timeout(120_000);

  it('arrive once each, while their workflow continues as new again and again and the receiver stumbles', async () => {
    const address = await temporalAddress();
    const taskQueue = `alarms-${randomUUID()}`;
    const workflowId = alarmsWorkflowId(taskQueue);
    const rules = { rate: { most: 10_000, windowMs: 60_000 }, historyEvents: 60 };
    const receiver = await Receiver.open();
    const native = await NativeConnection.connect({ address });
    const worker = await Worker.create({
      connection: native,
      taskQueue,
      workflowsPath: fileURLToPath(new URL('../kit/workflow/workflows/alarms.ts', import.meta.url)),
      activities: {
        ...alarmActivities({ sink: webhookSink({ url: receiver.url, secret: randomBytes(32).toString('base64') }) }),
      },
    });
    const running = worker.run();
    const connection = await connectTo(address);
    const client = new Client({ connection });
    try {
      const arrived = new Set<string>();
      const done = new Promise<void>((resolve) => {
        receiver.decide(({ event }) => {
          // Every tenth is not taken the first time.
          if (receiver.received.length % 10 === 0) return answer(503);
          assert.ok(!arrived.has(event.id), `${event.id} arrives twice`);
          arrived.add(event.id);
          if (arrived.size === 150) resolve();
          return ok;
        });
      });
      const raise = (id: string) => {
        const alarm: Alarm = { id, kind: 'stuck', gid: id, at: Date.now(), message: `${id} is stuck` };
        return client.workflow.signalWithStart(DELIVER_ALARMS, {
          ...{ workflowId, taskQueue, signal: ALARM_SIGNAL, signalArgs: [alarm, rules] },
        });
      };
      const ids = Array.from({ length: 150 }, (_, n) => `order-${n}`);
      // Each is raised twice, by ten at a time.
      const queue = [...ids, ...ids];
      const { signaledRunId: begun } = await raise('order-0');
      const raisers = Array.from({ length: 10 }, async () => {
        for (let id = queue.shift(); id !== undefined; id = queue.shift()) await raise(id);
      });
      await Promise.all(raisers);
      await done;
      const { runId } = await client.workflow.getHandle(workflowId).describe();
      assert.notEqual(runId, begun);
      assert.deepEqual([...arrived].sort(), [...ids].sort());
    } finally {
      await client.workflow.getHandle(workflowId).terminate();
      worker.shutdown();
      await running;
      await connection.close();
      await native.close();
      await receiver.close();
    }
  });
});
