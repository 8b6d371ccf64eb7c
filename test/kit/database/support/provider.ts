import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Rejection, type OutboundRequest, type Sending } from '../../../../src/kit/database/index.js';

/**
 * A small payment provider over real HTTP: charges and refunds, idempotency keys with stored answers, and a network that
 * can be told to misbehave. Its books are the truth that the tests look at.
 */

/**
 * What befalls a request on its way.
 * - `lose-request`: it never arrives. `lose-reply`: it is done, and the answer is lost. `twice`: it arrives twice.
 * - `late`: its sender hears that the connection broke; it arrives when the test says so.
 * - `hang`: it is received, and neither done nor answered. `slow`: it is in progress until the test says so.
 * - `refuse`: a definite no, which is stored under the key. `fail`: a server's error, of which nothing is stored.
 */
export type Fault = 'lose-request' | 'lose-reply' | 'twice' | 'late' | 'hang' | 'slow' | 'refuse' | 'fail';

/** One thing that was done. */
export interface Entry {
  readonly kind: 'charge' | 'refund';
  readonly key: string;
  readonly account: string;
  readonly amount: number;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

interface Body {
  readonly kind: Entry['kind'];
  readonly account: string;
  readonly amount: number;
}

export class Provider {
  /** Whether it does nothing twice under one key. Without keys it takes the key for a mere reference. */
  keys = true;
  /** Befall the next requests, one each. */
  readonly faults: (Fault | undefined)[] = [];
  readonly books: Entry[] = [];
  /** The keys of all POST requests that arrived, in order. */
  readonly received: string[] = [];
  /** Told of each request that arrives, before anything befalls it. */
  onArrival: () => void = () => undefined;
  readonly #server: Server;
  readonly #answers = new Map<string, Answer & { readonly of: string }>();
  readonly #inProgress = new Set<string>();
  readonly #late: (() => void)[] = [];
  readonly #slow: (() => void)[] = [];

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        response.destroy(error as Error);
      });
    });
  }

  static async open(): Promise<Provider> {
    const provider = new Provider();
    await new Promise<void>((resolve) => provider.#server.listen(0, '127.0.0.1', resolve));
    return provider;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What an account was charged in the end. */
  net(account: string): number {
    const of = this.books.filter((entry) => entry.account === account);
    return of.reduce((sum, { kind, amount }) => sum + (kind === 'charge' ? amount : -amount), 0);
  }

  /** How many requests are still on their way. */
  get late(): number {
    return this.#late.length;
  }

  /** Lets the oldest request that is on its way arrive. */
  deliver(): void {
    this.#late.shift()?.();
  }

  /** Completes what is in progress. */
  complete(): void {
    for (const proceed of this.#slow.splice(0)) proceed();
  }

  knownKeys(): string[] {
    return [...this.#answers.keys()];
  }

  /** Forgets keys, as providers do after a day. */
  forgetKeys(keys = this.knownKeys()): void {
    for (const key of keys) this.#answers.delete(key);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    if (request.method === 'GET') {
      const found = this.books.find(({ key }) => key === url.searchParams.get('reference'));
      reply(response, found ? done(found) : { status: 404, body: {} });
      return;
    }
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const body = JSON.parse(text) as Body;
    const key = String(request.headers['idempotency-key']);
    this.received.push(key);
    this.onArrival();
    const fault = this.faults.shift();
    switch (fault) {
      case 'lose-request':
        return void request.socket.destroy();
      case 'hang':
        return;
      case 'fail': {
        reply(response, { status: 503, body: {} });
        return;
      }
      case 'late':
        this.#late.push(() => this.#process(key, body));
        return void request.socket.destroy();
      case 'lose-reply':
        this.#process(key, body);
        return void request.socket.destroy();
      case 'slow':
        if (!this.#begin(key)) {
          reply(response, inProgress);
          return;
        }
        await new Promise<void>((resolve) => this.#slow.push(resolve));
        this.#inProgress.delete(key);
        break;
      case 'twice':
        this.#process(key, body);
        break;
      case 'refuse': {
        reply(response, this.#process(key, body, true));
        return;
      }
    }
    reply(response, this.#process(key, body));
  }

  #begin(key: string): boolean {
    if (this.#inProgress.has(key)) return false;
    this.#inProgress.add(key);
    return true;
  }

  #process(key: string, { kind, account, amount }: Body, refused = false): Answer {
    if (this.keys) {
      if (this.#inProgress.has(key)) return inProgress;
      const of = JSON.stringify([kind, account, amount]);
      const before = this.#answers.get(key);
      if (before)
        return before.of === of ? before : { status: 422, body: { why: 'the key was used for another request' } };
      const answer = refused ? refusal : done(this.#book({ kind, key, account, amount }));
      this.#answers.set(key, { ...answer, of });
      return answer;
    }
    return refused ? refusal : done(this.#book({ kind, key, account, amount }));
  }

  #book(entry: Entry): Entry {
    this.books.push(entry);
    return entry;
  }
}

const inProgress: Answer = { status: 409, body: { why: 'a request with this key is in progress' } };
const refusal: Answer = { status: 402, body: { why: 'declined' } };

function done({ kind, key }: Entry): Answer {
  return { status: 200, body: { id: `${kind}-${key.slice(0, 8)}` } };
}

function reply(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify(body));
}

/** What a participant is given for an input. */
export interface Payment {
  readonly account: string;
  readonly amount: number;
}

interface Done {
  readonly id: string;
}

/** How a participant asks the provider: what is a definite no, and what says nothing. */
export function requestsTo(provider: Provider, { lookUp = false }: { lookUp?: boolean } = {}) {
  const post =
    (kind: Entry['kind']) =>
    async ({ key, signal }: Sending, { account, amount }: Payment): Promise<Done> => {
      const headers = { 'idempotency-key': key, connection: 'close' };
      const body = JSON.stringify({ kind, account, amount });
      const response = await fetch(provider.url, { method: 'POST', headers, body, signal });
      if (response.status === 402) throw new Rejection('Declined', `${kind} was declined`);
      if (!response.ok) throw new Error(`the provider answered ${response.status}`);
      return (await response.json()) as Done;
    };
  const find = async ({ key, signal }: Sending): Promise<{ result: Done } | undefined> => {
    const response = await fetch(`${provider.url}/?reference=${key}`, { signal });
    if (response.status === 404) return undefined;
    return { result: (await response.json()) as Done };
  };
  const charge: OutboundRequest<[Payment], Done> = { send: post('charge'), ...(lookUp && { lookUp: find }) };
  const refund: OutboundRequest<[Payment, Done], Done> = { send: post('refund'), ...(lookUp && { lookUp: find }) };
  return { charge, refund };
}
