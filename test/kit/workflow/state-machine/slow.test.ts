import assert from 'node:assert/strict';
import { connect, createServer, type ClientHttp2Session, type Http2Server, type OutgoingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Client, type Connection } from '@temporalio/client';
import type { Message } from '../../../../src/kit/messages/message.js';
import { NotYet, SinkUnavailable, type Sink } from '../../../../src/kit/messages/sink.js';
import { temporalSink } from '../../../../src/kit/worker/index.js';
import { EVENT_SIGNAL } from '../../../../src/kit/workflow/index.js';
import { connectTo } from '../../../support/connection.js';
import { until } from '../../../support/until.js';
import { ParcelWorld } from './world.js';

describe('messages to a state machine', function () {
  this.timeout(120_000);
  let world: ParcelWorld;
  let calls: HeldCalls;
  let connection: Connection;
  let sink: Sink;
  before(async () => {
    world = await ParcelWorld.open();
    calls = await HeldCalls.before(world.environment.address);
    connection = await connectTo(calls.address);
    const target = { workflow: 'parcelBegun', signal: EVENT_SIGNAL, machine: true };
    const topics = { parcels: { ...target, workflowId: ({ key = '' }: Message) => key } };
    sink = temporalSink({ client: new Client({ connection }), taskQueue: world.taskQueue, topics });
  });
  afterEach(() => {
    calls.held = undefined;
  });
  after(async () => {
    await connection.close();
    await calls.close();
    await world.close();
  });

  /** Nothing but a message pays for a parcel: no deadline does. */
  const pay = (key: string) =>
    sink.deliver(
      { id: `m-${key}`, key, payload: 'pay', topic: 'parcels', source: 'test', seq: 1, attempt: 1, addedAt: 1 },
      new AbortController().signal,
    );
  const isPaid = (id: string) => until(async () => (await world.moves(id)).join() === 'PAID');

  it('hold up no others where it takes too long to start it again, and come when it does not', async () => {
    const [slow, other] = [await world.parcel('parcelBegun'), await world.parcel('parcelBegun')];
    await world.handle(slow).terminate('a test');
    calls.held = 'GetWorkflowExecutionHistory';
    await Promise.all([
      assert.rejects(pay(slow), (error) => error instanceof NotYet && error.message.includes(slow)),
      pay(other),
    ]);
    await isPaid(other);
    assert.deepEqual(await world.moves(slow), []);
    calls.held = undefined;
    await pay(slow);
    await isPaid(slow);
  });

  it('wait with all others where the server itself does not answer', async () => {
    const id = await world.parcel('parcelBegun');
    calls.held = 'SignalWorkflowExecution';
    await assert.rejects(pay(id), SinkUnavailable);
  });
});

/** What stands between a client and its server, and keeps calls of one kind from it. */
class HeldCalls {
  /** The method whose calls reach nobody. */
  held: string | undefined;
  readonly address: string;
  readonly #server: Http2Server;
  readonly #behind: ClientHttp2Session;

  private constructor(server: Http2Server, behind: ClientHttp2Session) {
    this.#server = server;
    this.#behind = behind;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      if (this.held !== undefined && headers[':path']?.endsWith(`/${this.held}`)) return;
      const call = behind.request(headers);
      call.on('error', () => stream.close());
      let trailers: OutgoingHttpHeaders = {};
      call.on('trailers', (came: OutgoingHttpHeaders) => (trailers = came));
      call.on('response', (came, flags) => {
        const isAll = (flags & 1) === 1;
        stream.respond(came, { endStream: isAll, waitForTrailers: !isAll });
        stream.on('wantTrailers', () => stream.sendTrailers(trailers));
        if (!isAll) call.pipe(stream);
      });
      stream.pipe(call);
    });
  }

  static async before(address: string): Promise<HeldCalls> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new HeldCalls(server, connect(`http://${address}`));
  }

  async close(): Promise<void> {
    this.#behind.close();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
