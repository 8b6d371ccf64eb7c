import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { Client, Connection } from '@temporalio/client';
import { retries } from '../../../src/kit/client/retries.js';
import { ask } from '../../../src/kit/client/server.js';

describe('calls that are tried again', () => {
  let server: Server;
  let met = 0;

  before(async () => {
    server = createServer((socket) => {
      met++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => server.close());

  it('end when the connection is closed in between, and do not end the process', async () => {
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const connection = Connection.lazy({ address, interceptors: retries, metadata: { authorization: 'a secret' } });
    const client = new Client({ connection });
    const asked = ask(client, () => client.workflow.count());
    asked.catch(() => undefined);
    // It was refused, and waits for its next try.
    while (met === 0) await new Promise((resolve) => setImmediate(resolve));
    await connection.close();
    const error = await asked.then(() => undefined, inspect);
    assert.match(error ?? 'it has answered', /Cancelled on client: Channel has been shut down/);
    assert.doesNotMatch(error ?? '', /a secret/);
  });
});
