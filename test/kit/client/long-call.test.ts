import assert from 'node:assert/strict';
import { Client, Connection } from '@temporalio/client';
import { waitUntil } from '../../../src/kit/client/server.js';

describe('a call that waits for long', () => {
  it('may ask the server again and again, and no leak is warned of', async () => {
    // Nobody listens there.
    const connection = Connection.lazy({ address: '127.0.0.1:1', interceptors: [] });
    const client = new Client({ connection });
    const warnings: string[] = [];
    const onWarning = ({ message }: Error) => void warnings.push(message);
    process.on('warning', onWarning);
    try {
      const failed = await waitUntil(client, Date.now() + 60_000, async () => {
        const polls = Array.from({ length: 12 }, () => client.workflow.getHandle('x').describe());
        return (await Promise.allSettled(polls)).filter(({ status }) => status === 'rejected');
      });
      assert.equal(failed.length, 12);
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(warnings, []);
    } finally {
      process.off('warning', onWarning);
      await connection.close();
    }
  });
});
