import { setTimeout as delay } from 'node:timers/promises';
import { connect, type ChannelModel } from 'amqplib';
import { SinkUnavailable } from '../messages/sink.js';
import { within } from './within.js';

/** Where a broker is. */
export interface LinkOptions {
  /** Such as `amqp://user:password@host:5672/vhost`, or `amqps:`. */
  readonly url: string;
  /** What the broker shows the connection as. Default: `backstitch` */
  readonly name?: string;
  /** How long it may take to connect, and to close, in milliseconds. Default: 10,000 */
  readonly connectMs?: number;
  /**
   * How often both sides say that they are there, in seconds, unless the URL tells: a connection that has been silent for twice as
   * long is given up. Default: 10
   */
  readonly heartbeatS?: number;
}

/** The pause after the first attempt that failed, in milliseconds; it doubles with each. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** A connection, and what was made on it. */
export interface Linked<Made> {
  readonly made: Made;
  /** Why the broker takes no messages on it at this time, if so. */
  readonly blocked: string | undefined;
  /** Resolves when it takes some again, or is lost. */
  readonly unblocked: Promise<void>;
  /** Resolves when it is lost, to the reason. */
  readonly lost: Promise<Error>;
  /** Gives it up: nothing that is on its way on it is known. */
  drop(error: Error): void;
  /** Closes it in order. Never fails. @param first closes channels, so that what was sent on them is taken */
  close(first?: () => Promise<void>): Promise<void>;
}

/**
 * A connection to a broker that is made when it is needed, and made anew when it was lost.
 *
 * States: none → connecting → linked → none; after a failure none for a pause that grows, in which whoever asks is refused at once.
 */
export class Link<Made> {
  readonly #options: Required<LinkOptions>;
  readonly #make: (model: ChannelModel, lose: (error: Error) => void) => Promise<Made>;
  #current: Promise<Linked<Made>> | undefined;
  #failures = 0;
  #failed: { readonly error: Error; readonly until: number } | undefined;
  #isClosed = false;

  /** @param make makes what is needed on each new connection, and says when that is lost */
  constructor(
    { url, name = 'backstitch', connectMs = 10_000, heartbeatS = 10 }: LinkOptions,
    make: (model: ChannelModel, lose: (error: Error) => void) => Promise<Made>,
  ) {
    this.#options = { url: withHeartbeat(url, heartbeatS), name, connectMs, heartbeatS };
    this.#make = make;
  }

  /** How long the pause still is in which nobody can connect, in milliseconds. */
  get pauseMs(): number {
    return Math.max((this.#failed?.until ?? 0) - performance.now(), 0);
  }

  /** The connection; made, if there is none. @throws {@link SinkUnavailable} */
  async open(): Promise<Linked<Made>> {
    if (this.#isClosed) throw new SinkUnavailable('the connection to RabbitMQ was closed');
    if (this.#current === undefined && this.#failed && this.pauseMs > 0) throw unavailable(this.#failed.error);
    const opening = (this.#current ??= this.#begin());
    try {
      const linked = await opening;
      this.#failures = 0;
      this.#failed = undefined;
      return linked;
    } catch (error) {
      if (this.#current === opening) {
        this.#current = undefined;
        const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS);
        this.#failed = { error: asError(error), until: performance.now() + pause * (0.75 + Math.random() / 4) };
      }
      throw unavailable(asError(error));
    }
  }

  /** Closes it for good, in order. Never fails. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const linked = await this.#current?.catch(() => undefined);
    await linked?.close();
  }

  #begin(): Promise<Linked<Made>> {
    const opening = this.#connect();
    const forget = () => {
      if (this.#current === opening) this.#current = undefined;
    };
    opening.then(
      ({ lost }) => lost.then(forget),
      () => undefined,
    );
    return opening;
  }

  async #connect(): Promise<Linked<Made>> {
    const { url, name, connectMs } = this.#options;
    const model = await connect(url, {
      timeout: connectMs,
      noDelay: true,
      clientProperties: { connection_name: name },
    });
    let end: (error: Error) => void = () => undefined;
    const lost = new Promise<Error>((resolve) => (end = resolve));
    let blocked: string | undefined;
    let unblock: () => void = () => undefined;
    let unblocked = Promise.resolve();
    let why: Error | undefined;
    const drop = (error: Error) => {
      why ??= error;
      socketOf(model).destroy();
      unblock();
      end(why);
    };
    let isClosing = false;
    const lose = (error: Error) => {
      if (!isClosing) drop(error);
    };
    // An error is followed by the end of the connection.
    model.on('error', (error: Error) => (why ??= error));
    model.on('close', (error?: Error) => {
      drop(error ?? new Error('the connection was closed'));
    });
    model.on('blocked', (reason: string) => {
      blocked = reason;
      unblocked = new Promise((resolve) => (unblock = resolve));
    });
    model.on('unblocked', () => {
      blocked = undefined;
      unblock();
    });
    try {
      const silent = `RabbitMQ did not answer within ${connectMs} ms`;
      const made = await within(connectMs, Promise.race([this.#make(model, lose), lost.then(thrown)]), silent);
      return {
        made,
        lost,
        drop,
        async close(first = () => Promise.resolve()) {
          isClosing = true;
          const closed = first().then(() => model.close());
          await within(connectMs, closed, 'it was not closed in time').catch(() => undefined);
          drop(new Error('it was closed'));
        },
        get blocked() {
          return blocked;
        },
        get unblocked() {
          return unblocked;
        },
      };
    } catch (error) {
      drop(asError(error));
      throw error;
    }
  }

  /** Waits out the pause in which nobody can connect; a moment at least. */
  async pause(signal: AbortSignal): Promise<void> {
    await delay(Math.max(this.pauseMs, FIRST_PAUSE_MS), undefined, { signal }).catch(() => undefined);
  }
}

function thrown(error: Error): never {
  throw error;
}

/** amqplib half-closes its socket and goes on waiting for a broker that is silent: it is ended by what it is made of. */
function socketOf(model: ChannelModel): { destroy(): void } {
  return (model as unknown as { connection: { stream: { destroy(): void } } }).connection.stream;
}

function withHeartbeat(url: string, seconds: number): string {
  const parsed = new URL(url);
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', String(seconds));
  return parsed.href;
}

function unavailable(error: Error): SinkUnavailable {
  return error instanceof SinkUnavailable
    ? error
    : new SinkUnavailable(`RabbitMQ cannot be used: ${textOf(error)}`, { cause: error });
}

/** An error's message; of several addresses that refused, what they said. */
export function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message !== '') return error.message;
  const parts: readonly unknown[] = error instanceof AggregateError ? error.errors : [];
  return parts.length > 0 ? parts.map(textOf).join('; ') : error.name;
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
