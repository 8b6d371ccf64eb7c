import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Which way bytes go: requests from whoever connected, answers from the server. */
export type Direction = 'requests' | 'answers';

/**
 * A TCP proxy on 127.0.0.1 that can do to connections what networks do: cut them, hold them up, let one direction
 * through only. What it does not disturb goes through unchanged, half-closed connections included.
 */
export class Proxy {
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #held: Record<Direction, number> = { requests: 0, answers: 0 };
  #refusing = 0;

  private constructor(upstream: number) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      if (this.#refusing > 0) {
        client.on('error', () => undefined);
        client.resetAndDestroy();
        return;
      }
      const server = connect({ port: upstream, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
      const connection = new Connection(client, server);
      this.#connections.add(connection);
      void connection.closed.then(() => this.#connections.delete(connection));
      connection.update(this.#held);
    });
  }

  /**
   * Listens.
   *
   * @param upstream the port of the server on 127.0.0.1; it need not be up
   * @param port a free one if absent
   */
  static async start(upstream: number, port = 0): Promise<Proxy> {
    const proxy = new Proxy(upstream);
    proxy.#server.listen(port, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#connections.size;
  }

  /** Cuts all connections at once, with a reset. New ones are taken. */
  cut(): void {
    for (const connection of this.#connections) connection.cut();
  }

  /** Each connection that is open now is cut in the middle of the next answer that it carries. */
  cutAnswers(): void {
    for (const connection of this.#connections) connection.cutAnswer();
  }

  /**
   * Holds up these directions: connections are taken, and nothing goes through.
   *
   * @returns lets all that was held up through; once is enough
   */
  hold(...directions: readonly Direction[]): () => void {
    return during((by) => {
      for (const direction of directions) this.#held[direction] += by;
      for (const connection of this.#connections) connection.update(this.#held);
    });
  }

  /**
   * Cuts all connections, and resets those that are tried.
   *
   * @returns takes connections again; once is enough
   */
  refuse(): () => void {
    this.cut();
    return during((by) => (this.#refusing += by));
  }

  /** Cuts everything and stops listening. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
    await Promise.all([...this.#connections].map((connection) => connection.closed));
  }
}

/** Begins something that may be begun several times; what is returned ends it, once. */
function during(change: (by: 1 | -1) => void): () => void {
  change(1);
  let ended = false;
  return () => {
    if (ended) return;
    ended = true;
    change(-1);
  };
}

/** One connection: two sockets and two flows. */
class Connection {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #requests: Flow;
  readonly #answers: Flow;
  /** Resolves when both sockets are gone. */
  readonly closed: Promise<unknown>;

  constructor(client: Socket, server: Socket) {
    this.#client = client;
    this.#server = server;
    this.#requests = new Flow(client, server);
    this.#answers = new Flow(server, client);
    const sockets = [client, server];
    this.closed = Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    for (const socket of sockets) {
      socket.on('error', () => {
        this.cut();
      });
    }
  }

  cut(): void {
    // One that is still connecting, or was shut already, has nothing to reset.
    for (const socket of [this.#client, this.#server]) {
      if (socket.readyState === 'open') socket.resetAndDestroy();
      else socket.destroy();
    }
  }

  cutAnswer(): void {
    this.#answers.intercept((chunk) => {
      // An end, not a reset, which would take from the reader what has arrived.
      this.#client.end(chunk.subarray(0, Math.floor(chunk.length / 2)), () => this.#client.destroy());
      this.#server.resetAndDestroy();
    });
  }

  update(held: Readonly<Record<Direction, number>>): void {
    this.#requests.hold(held.requests > 0);
    this.#answers.hold(held.answers > 0);
  }
}

/** Bytes from one socket to the other, no faster than that takes them. */
class Flow {
  readonly #from: Socket;
  #held = false;
  #full = false;
  #intercept: ((chunk: Buffer) => void) | undefined;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    from.on('data', (chunk: Buffer) => {
      if (this.#intercept) {
        this.#intercept(chunk);
        return;
      }
      if (to.write(chunk)) return;
      this.#full = true;
      this.#update();
    });
    to.on('drain', () => {
      this.#full = false;
      this.#update();
    });
    from.on('end', () => to.end());
  }

  hold(held: boolean): void {
    this.#held = held;
    this.#update();
  }

  /** Gives the next chunk to somebody else, who ends the connection with it. */
  intercept(take: (chunk: Buffer) => void): void {
    this.#intercept = take;
  }

  #update(): void {
    if (this.#held || this.#full) this.#from.pause();
    else this.#from.resume();
  }
}
