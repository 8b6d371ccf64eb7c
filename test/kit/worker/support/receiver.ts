import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AlarmEvent } from '../../../../src/kit/alarms/index.js';

/**
 * A receiver of alarms as somebody else would build it, on a real port: it knows the two specifications and nothing of
 * this package.
 */

/** One request, as it came. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly event: AlarmEvent;
  /** Whether one of its signatures is the one of `secret` for id, time and body. */
  readonly signedWith: (secret: string) => boolean;
}

/** What the receiver does with a request; it has been read. */
export type Behaviour = (response: ServerResponse) => void;

export const answer =
  (status: number, headers: Record<string, string> = {}, body = ''): Behaviour =>
  (response) => {
    response.writeHead(status, headers).end(body);
  };
export const ok = answer(204);
/** Never answers. */
export const hang: Behaviour = () => undefined;
/** Closes the connection without an answer. */
export const drop: Behaviour = (response) => {
  response.destroy();
};
/** Answers at once, and never ends what it says. */
export const endless =
  (status: number): Behaviour =>
  (response) => {
    response.writeHead(status);
    const say = () => {
      while (response.write('x'.repeat(1_000))) if (response.destroyed) return;
    };
    response.on('drain', say);
    say();
  };

export class Receiver {
  readonly received: Received[] = [];
  readonly #server: Server;
  #waiting: (() => void)[] = [];
  #behave: (request: Received, index: number) => Behaviour = () => ok;

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString('utf8');
        const { headers } = request;
        const received: Received = {
          path: request.url ?? '',
          headers,
          body,
          event: JSON.parse(body) as AlarmEvent,
          signedWith(secret) {
            const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
            const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
            const own = createHmac('sha256', key).update(signed, 'utf8').digest('base64');
            return String(headers['webhook-signature']).split(' ').includes(`v1,${own}`);
          },
        };
        this.received.push(received);
        this.#behave(received, this.received.length - 1)(response);
        for (const look of this.#waiting) look();
      });
    });
  }

  static async open(): Promise<Receiver> {
    const receiver = new Receiver();
    await once(receiver.#server.listen(0, '127.0.0.1'), 'listening');
    return receiver;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `${this.origin}/token-of-the-sender`;
  }

  /** Forgets what came, and does this with the next requests, one after the other; the last again and again. */
  behave(...behaviours: readonly [Behaviour, ...Behaviour[]]): void {
    this.received.length = 0;
    this.#behave = (_, index) => behaviours[Math.min(index, behaviours.length - 1)] ?? behaviours[0];
  }

  /** As {@link behave}, by what each request says. */
  decide(behave: (request: Received) => Behaviour): void {
    this.received.length = 0;
    this.#behave = behave;
  }

  /** Resolves once so many requests have come. */
  async came(count: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = () => {
        if (this.received.length < count) return;
        this.#waiting = this.#waiting.filter((each) => each !== look);
        resolve();
      };
      this.#waiting.push(look);
      look();
    });
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}
