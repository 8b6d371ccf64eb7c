import assert from 'node:assert/strict';
import { constants, createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { machineClient, ServerUnavailable } from '../../../src/kit/client/index.js';
import { ask } from '../../../src/kit/client/server.js';

/** How long a call waits, in milliseconds. */
const WAIT_MS = 500;

describe('a call that the server does not answer in time', () => {
  /** As a server does whose timer is a little earlier than the client's: it breaks the call off. */
  let breaksOff = false;
  const server = createServer();
  let address: string;
  const closing: (() => unknown)[] = [];

  const answer = (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => {
      stream.sendTrailers({ 'grpc-status': '0' });
    });
    stream.end(Buffer.alloc(5));
  };

  before(async () => {
    server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      if (headers[':path']?.endsWith('/GetSystemInfo')) answer(stream);
      const [, ms] = /^(\d+)m$/.exec(String(headers['grpc-timeout'])) ?? [];
      if (!breaksOff || ms === undefined) return;
      const timer = setTimeout(
        () => {
          stream.close(constants.NGHTTP2_CANCEL);
        },
        Number(ms) - 50,
      );
      stream.once('close', () => {
        clearTimeout(timer);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    for (const close of closing) await close();
    server.close();
  });

  async function connected(kind: 'a client' | 'a worker'): Promise<Client> {
    const connection = await (kind === 'a client' ? Connection : NativeConnection).connect({ address });
    closing.push(() => connection.close());
    return new Client({ connection });
  }

  for (const kind of ['a client', 'a worker'] as const) {
    it(`fails by the time that was given, on the connection of ${kind}`, async () => {
      breaksOff = false;
      const client = await connected(kind);
      await assert.rejects(
        ask(client, () => client.workflow.getHandle('x').describe(), WAIT_MS),
        (error: Error) => error instanceof ServerUnavailable && error.message.includes('gave no answer within 0.5 s'),
      );
    });
  }

  it('fails by the time that was given, also where the server is the first to see that it is over', async () => {
    breaksOff = true;
    const client = await connected('a client');
    await assert.rejects(
      ask(client, () => client.workflow.getHandle('x').describe(), WAIT_MS),
      (error: Error) => error instanceof ServerUnavailable && error.message.includes('gave no answer within 0.5 s'),
    );
  });

  it('is no answer of a machine: the server is asked why its worker is silent', async () => {
    breaksOff = true;
    const client = await connected('a client');
    const machine = machineClient(client, { taskQueue: 'q' }, { workflow: 'w', machine: {} });
    await assert.rejects(
      machine.view('x', { wait: WAIT_MS }),
      (error: Error) => error instanceof ServerUnavailable && error.message.includes('gave no answer within 3 s'),
    );
  });
});
