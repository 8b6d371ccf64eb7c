import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Worker, type WorkflowBundle } from '@temporalio/worker';
import { freePort } from '../../src/dev/ports.js';
import { startTemporal, type SearchAttributes } from '../../src/dev/temporal.js';
import { temporalProgram } from '../../src/dev/temporal-program.js';
import { connectTo } from '../support/connection.js';

describe('the embedded Temporal server', function () {
  this.timeout(120_000);
  let folder: string;
  let workflowBundle: WorkflowBundle;
  before(async () => {
    // Beforehand, so that nothing gives the server the time to learn.
    const workflowsPath = fileURLToPath(new URL('attributes-workflow.ts', import.meta.url));
    workflowBundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
    folder = mkdtempSync(join(tmpdir(), 'backstitch-temporal-'));
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const start = async (searchAttributes: SearchAttributes) => {
    const port = await freePort();
    const child = await startTemporal({
      program: await temporalProgram(() => undefined),
      port,
      uiPort: await freePort(),
      namespace: 'default',
      databaseFile: join(folder, 'temporal.db'),
      logFile: join(folder, 'temporal.log'),
      searchAttributes,
      onStarted: () => undefined,
    });
    return { child, address: `127.0.0.1:${port}` };
  };

  it('knows its search attributes once it is started, those of an older state that lacks one too', async () => {
    for (const names of [['One'], ['One', 'Two']]) {
      const { child, address } = await start(Object.fromEntries(names.map((name) => [name, 'Keyword' as const])));
      const connection = await connectTo(address);
      const native = await NativeConnection.connect({ address });
      try {
        const client = new Client({ connection });
        const taskQueue = 'attributes';
        const name = names.at(-1) ?? '';
        // At its start, and by itself.
        const value = { key: defineSearchAttributeKey(name, 'KEYWORD'), value: 'set' };
        const given = await client.workflow.start('setsAttribute', {
          workflowId: `given-${name}`,
          taskQueue,
          args: [name],
          typedSearchAttributes: [value],
        });
        assert.equal((await client.workflow.count(`${name} = 'nothing'`)).count, 0);
        const set = await client.workflow.start('setsAttribute', {
          workflowId: `set-${name}`,
          taskQueue,
          args: [name],
        });
        const worker = await Worker.create({ connection: native, taskQueue, workflowBundle });
        await worker.runUntil(Promise.all([given.result(), set.result()]));
        while ((await client.workflow.count(`${name} = 'set'`)).count < 2) await delay(20);
        for (const { workflowId } of [given, set]) {
          const history = await client.workflow.getHandle(workflowId).fetchHistory();
          assert.ok(!history.events?.some((event) => event.workflowTaskFailedEventAttributes), 'no try was in vain');
        }
      } finally {
        await connection.close();
        await native.close();
        await child.stop();
      }
    }
  });
});
