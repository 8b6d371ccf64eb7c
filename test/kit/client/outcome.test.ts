import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { TransactionTerminated } from '../../../src/kit/client/index.js';
import { awaitOutcome } from '../../../src/kit/client/outcome.js';
import { temporalAddress } from '../../support/servers.js';

describe('whoever waits for an outcome', () => {
  it('has one question open at the server, however often it looks in between', async () => {
    // A worker's connection: what it has asked it cannot take back.
    const connection = await NativeConnection.connect({ address: await temporalAddress() });
    try {
      const client = new Client({ connection });
      const taskQueue = `nobody-${randomUUID()}`;
      const gid = `waiting-${randomUUID()}`;
      const handle = await client.workflow.start('nothing', { workflowId: gid, taskQueue });
      let [asked, looked] = [0, 0];
      const service = client.workflowService;
      const [history, describe] = [
        service.getWorkflowExecutionHistory.bind(service),
        service.describeWorkflowExecution.bind(service),
      ];
      service.getWorkflowExecutionHistory = ((...args: Parameters<typeof history>) => {
        asked++;
        return history(...args);
      }) as typeof service.getWorkflowExecutionHistory;
      const enough = new Promise<void>((resolve) => {
        service.describeWorkflowExecution = ((...args: Parameters<typeof describe>) => {
          if (++looked === 5) resolve();
          return describe(...args);
        }) as typeof service.describeWorkflowExecution;
      });
      const waiting = awaitOutcome(client, { gid, taskQueue }, Date.now() + 60_000, 100);
      waiting.catch(() => undefined);
      await enough;
      // A question that has no answer for 20 s is asked again.
      assert.ok(asked <= 2, `asked ${asked} times`);
      await handle.terminate();
      await assert.rejects(waiting, TransactionTerminated);
    } finally {
      await connection.close();
    }
  });
});
