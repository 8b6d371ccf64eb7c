import assert from 'node:assert/strict';
import { Client, type Connection } from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { transfer2pcTransaction, transfer3pcTransaction } from '../../src/contracts/transactions.js';
import { transactionClient } from '../../src/kit/client/index.js';
import { connectTo } from '../support/connection.js';
import { temporalAddress } from '../support/servers.js';
import { patience } from './patience.js';

describe('the patience of a chaos run', function () {
  this.timeout(60_000);
  let connection: Connection;
  before(async () => {
    connection = await connectTo(await temporalAddress());
  });
  after(() => connection.close());

  const leg = (account: string) => ({ bank: 'bank_a' as const, account, amount: 1 });
  for (const [scheme, contract, given] of [
    ['three-phase commit', transfer3pcTransaction, [{ timeout: '10 minutes' }]],
    ['two-phase commit', transfer2pcTransaction, []],
  ] as const) {
    it(`is ${given.length > 0 ? '' : 'not '}that of a ${scheme}`, async () => {
      const client = new Client({ connection, interceptors: patience });
      const taskQueue = 'nobody serves it';
      const transactions = transactionClient(client, { taskQueue });
      const input = { id: contract.workflow, from: [leg('a')], to: [leg('b')] };
      const { gid } = await transactions.of(contract).start(input);
      const handle = client.workflow.getHandle(gid);
      const { events } = await handle.fetchHistory();
      await handle.terminate();
      const started = events?.[0]?.workflowExecutionStartedEventAttributes;
      const args = await decodeArrayFromPayloads(client.options.loadedDataConverter, started?.input?.payloads);
      assert.deepEqual(args, [input, ...given]);
    });
  }
});
