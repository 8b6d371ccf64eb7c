import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Proxy } from './proxy.js';

describe('the proxy of the chaos runs', () => {
  let server: Server;
  let proxy: Proxy;
  /** Told of every connection that reaches the server. */
  let onConnection: (socket: Socket) => void;
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    onConnection = echo;
    server = createServer({ allowHalfOpen: true }, (socket) => {
      keep(socket);
      onConnection(socket);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy = await Proxy.start((server.address() as AddressInfo).port);
  });
  afterEach(async () => {
    await proxy.close();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  });

  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    return socket;
  };
  const echo = (socket: Socket) => {
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('end', () => socket.end());
  };
  const client = async (): Promise<Socket> => {
    const socket = keep(connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true }));
    await once(socket, 'connect');
    return socket;
  };
  const received = async (socket: Socket): Promise<string> => String((await once(socket, 'data'))[0]);
  const says = async (socket: Socket, text: string): Promise<string> => {
    socket.write(text);
    return received(socket);
  };
  /** How a connection ended: by an error's code, or in order. */
  const end = (socket: Socket): Promise<string> =>
    new Promise((resolve) => {
      let code = 'in order';
      socket.on('error', (error: NodeJS.ErrnoException) => {
        code = error.code ?? 'error';
      });
      socket.on('end', () => socket.end());
      socket.on('close', () => {
        resolve(code);
      });
      socket.resume();
    });
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  };

  it('carries everything, in order and whole, however slowly it is read', async () => {
    const socket = await client();
    const size = 20_000_000;
    const sent = Buffer.alloc(size, 'the quick brown fox ');
    const chunks: Buffer[] = [];
    socket.pause();
    socket.end(sent);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.resume();
    await once(socket, 'end');
    assert.ok(Buffer.concat(chunks).equals(sent));
    await until(() => proxy.open === 0);
  });

  it('leaves a half-closed connection open for the answer', async () => {
    onConnection = (socket) => {
      let asked = '';
      socket.on('data', (chunk) => (asked += String(chunk)));
      socket.on('end', () => socket.end(`you asked ${asked}`));
    };
    const socket = await client();
    socket.end('the time');
    assert.equal(await received(socket), 'you asked the time');
    await once(socket, 'close');
    await until(() => proxy.open === 0);
  });

  it('cuts all connections at once, with a reset, on both sides, and takes new ones', async () => {
    const reached: Promise<string>[] = [];
    onConnection = (socket) => {
      echo(socket);
      reached.push(end(socket));
    };
    const open = [await client(), await client()];
    for (const socket of open) assert.equal(await says(socket, 'a'), 'a');
    assert.equal(proxy.open, 2);
    const ends = open.map(end);
    proxy.cut();
    assert.deepEqual(await Promise.all(ends), ['ECONNRESET', 'ECONNRESET']);
    assert.deepEqual(await Promise.all(reached), ['ECONNRESET', 'ECONNRESET']);
    await until(() => proxy.open === 0);
    assert.equal(await says(await client(), 'b'), 'b');
  });

  it('stalls: takes connections, forwards nothing, and then all that was held up', async () => {
    const seen: string[] = [];
    onConnection = (socket) => {
      socket.on('data', (chunk) => seen.push(String(chunk)));
      echo(socket);
    };
    const before = await client();
    assert.equal(await says(before, '1'), '1');
    const release = proxy.hold('requests', 'answers');
    const meanwhile = await client();
    before.write('2');
    meanwhile.write('3');
    await until(() => before.bytesWritten === 2 && meanwhile.bytesWritten === 1 && proxy.open === 2);
    const [first, second] = [received(before), received(meanwhile)];
    assert.deepEqual(seen, ['1']);
    release();
    release(); // Twice is once.
    assert.deepEqual([await first, await second], ['2', '3']);
  });

  it('lets one direction through: what is asked arrives, and the answer is lost with the connection', async () => {
    const arrived = new Promise<string>((resolve) => {
      onConnection = (socket) => {
        socket.on('data', (chunk) => {
          if (String(chunk) === 'pay') resolve('pay');
        });
        echo(socket);
      };
    });
    const socket = await client();
    assert.equal(await says(socket, 'hello'), 'hello');
    const heard: string[] = [];
    socket.on('data', (chunk) => heard.push(String(chunk)));
    const release = proxy.hold('answers');
    const ended = end(socket);
    socket.write('pay');
    assert.equal(await arrived, 'pay');
    proxy.cut();
    release();
    assert.equal(await ended, 'ECONNRESET');
    assert.deepEqual(heard, []);
  });

  it('lets the other direction through: answers come, and what is asked never arrives', async () => {
    const seen: string[] = [];
    let upstream: Socket | undefined;
    onConnection = (socket) => {
      upstream = socket;
      socket.on('data', (chunk) => seen.push(String(chunk)));
      echo(socket);
    };
    const socket = await client();
    assert.equal(await says(socket, 'hello'), 'hello');
    const release = proxy.hold('requests');
    socket.write('pay');
    upstream?.write('news');
    assert.equal(await received(socket), 'news');
    const ended = end(socket);
    proxy.cut();
    release();
    assert.equal(await ended, 'ECONNRESET');
    assert.deepEqual(seen, ['hello']);
  });

  it('refuses: cuts all connections and resets those that are tried, until it is over', async () => {
    const before = await client();
    assert.equal(await says(before, 'a'), 'a');
    const ended = end(before);
    const accept = proxy.refuse();
    assert.equal(await ended, 'ECONNRESET');
    assert.equal(await end(keep(connect(proxy.port, '127.0.0.1'))), 'ECONNRESET');
    accept();
    accept(); // Twice is once.
    assert.equal(await says(await client(), 'b'), 'b');
  });

  it('cuts each open connection in the middle of its next answer, once', async () => {
    const [socket, other] = [await client(), await client()];
    assert.equal(await says(socket, 'hello'), 'hello');
    assert.equal(await says(other, 'hello'), 'hello');
    proxy.cutAnswers();
    const later = await client();
    for (const each of [socket, other]) {
      assert.equal(await says(each, '12345678'), '1234');
      assert.equal(await end(each), 'in order', 'the half that was sent arrives');
    }
    assert.equal(await says(later, '12345678'), '12345678', 'a connection that came later is left alone');
  });

  it('ends the connections of a server that is gone, and reaches it when it is back', async () => {
    const { port } = server.address() as AddressInfo;
    const before = await client();
    assert.equal(await says(before, 'a'), 'a');
    const ended = end(before);
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) if (socket.localPort === port) socket.resetAndDestroy();
    await closed;
    assert.equal(await ended, 'ECONNRESET');
    const refused = await client();
    await end(refused);
    await until(() => proxy.open === 0);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    assert.equal(await says(await client(), 'b'), 'b');
  });

  it('leaves nothing open when it is closed', async () => {
    const [socket, other] = [await client(), await client()];
    assert.equal(await says(socket, 'a'), 'a');
    proxy.hold('requests', 'answers');
    const ends = [socket, other].map(end);
    const { port } = proxy;
    await proxy.close();
    assert.equal(proxy.open, 0);
    await Promise.all(ends);
    await assert.rejects(once(connect(port, '127.0.0.1'), 'connect'), /ECONNREFUSED/);
    proxy = await Proxy.start((server.address() as AddressInfo).port); // For what comes after each test.
  });
});
