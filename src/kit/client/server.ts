import { setMaxListeners } from 'node:events';
import { type Client, isGrpcCancelledError, isGrpcDeadlineError, isGrpcServiceError } from '@temporalio/client';
import { NamespaceNotFoundError } from '@temporalio/common/lib/errors.js';
import { searchAttributeTypes } from '../workflow/attributes.js';
import { ServerNotPrepared, ServerUnavailable } from './errors.js';
import { within } from './race.js';

/** How long the server may take for one answer, in milliseconds. Lost connections are retried within it. */
export const ANSWER_MS = 30_000;
/** A worker that has not polled for so long is gone: polls last a minute. */
const POLL_MS = 90_000;

/** How much earlier than a call's deadline the server may take it for over, in milliseconds. */
const EARLIEST_MS = 100;

const GRPC = { CANCELLED: 1, INVALID_ARGUMENT: 3, PERMISSION_DENIED: 7, UNAVAILABLE: 14, UNAUTHENTICATED: 16 } as const;

/** How gRPC begins to tell of a call that its caller has aborted. */
export const BY_CALLER = 'Cancelled on client';

/**
 * Asks the server, for a limited time.
 *
 * @throws {@link ServerUnavailable}, {@link ServerNotPrepared}; else what the call throws
 */
export async function ask<T>(client: Client, call: () => Promise<T>, ms = ANSWER_MS): Promise<T> {
  const until = Date.now() + ms;
  try {
    return await client.withDeadline(until, call);
  } catch (error) {
    if (isOutOfTime(error, until)) throw silent(client, `gave no answer within ${ms / 1000} s`, error);
    throw explained(client, error);
  }
}

/**
 * Whether a call failed as its deadline came. The client's own timer says so; where the server's is earlier, and on a worker's
 * connection always, it is told as cancelled.
 *
 * @param until the deadline, in milliseconds since 1970
 */
export function isOutOfTime(error: unknown, until: number): boolean {
  if (isGrpcDeadlineError(error)) return true;
  return isGrpcCancelledError(error) && Date.now() >= until - EARLIEST_MS;
}

/** A call that answers when something has happened. */
export interface LongCall<T> {
  /** @throws {@link TimeIsOver} when it has not answered by then, in milliseconds since 1970; else what the call throws */
  until(limit: number): Promise<T>;
  /** Nobody waits for it any more. */
  giveUp(): void;
}

/**
 * Makes a call that answers when something has happened: a deadline of its own would be wrong for it, because the server
 * refuses long polls with little time left.
 *
 * It can be waited for several times, and is made once: a worker's connection cannot take back what it has asked, so each
 * further call would wait at the server beside those before.
 */
export function longCall<T>(client: Client, call: () => Promise<T>): LongCall<T> {
  const over = new AbortController();
  // Each of its polls listens until it is over: no leak, though Node would warn of one after the tenth.
  setMaxListeners(0, over.signal);
  const answer = client.withAbortSignal(over.signal, call);
  answer.catch(() => undefined); // Whoever waits hears of it.
  return {
    until: (limit) => within(answer, limit),
    giveUp() {
      over.abort();
    },
  };
}

/** Makes a {@link longCall}, waits for it once, and gives it up. */
export async function waitUntil<T>(client: Client, until: number, call: () => Promise<T>): Promise<T> {
  const made = longCall(client, call);
  try {
    return await made.until(until);
  } finally {
    made.giveUp();
  }
}

/** The error in the words of this package, if the server is the trouble. */
export function explained(client: Client, error: unknown): unknown {
  if (error instanceof NamespaceNotFoundError) {
    return new ServerNotPrepared(
      `the Temporal server at ${addressOf(client)} has no namespace '${error.namespace}'`,
      error,
    );
  }
  const grpc = isGrpcServiceError(error) ? error : error instanceof Error ? error.cause : undefined;
  if (!isGrpcServiceError(grpc)) return error;
  const code: number = grpc.code;
  if (code === GRPC.UNAVAILABLE) return silent(client, 'cannot be reached', error);
  // A server that stops, or loses whom it asked, breaks off what it has begun. What a caller breaks off itself is its own.
  if (code === GRPC.CANCELLED && !grpc.details.startsWith(BY_CALLER))
    return silent(client, 'broke off the call', error);
  if (code === GRPC.INVALID_ARGUMENT && /search attribute/i.test(grpc.details)) {
    const register = Object.entries(searchAttributeTypes).map(([name, type]) => `--name ${name} --type ${type}`);
    return new ServerNotPrepared(
      `the namespace '${client.options.namespace}' lacks search attributes (${grpc.details}): register them with ` +
        `temporal operator search-attribute create ${register.join(' ')}`,
      error,
    );
  }
  if (code === GRPC.PERMISSION_DENIED || code === GRPC.UNAUTHENTICATED) {
    return new ServerNotPrepared(
      `the Temporal server at ${addressOf(client)} refuses the call in namespace '${client.options.namespace}' (${grpc.details}): check the API key or certificate, and what it may do`,
      error,
    );
  }
  return error;
}

/** A text within a query of the server. */
export function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** What the server did not understand of a query, if that is the trouble. */
export function misunderstood(error: unknown): string | undefined {
  const grpc = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  return isGrpcServiceError(grpc) && (grpc.code as number) === GRPC.INVALID_ARGUMENT ? grpc.details : undefined;
}

function silent(client: Client, how: string, cause: unknown): ServerUnavailable {
  const address = addressOf(client);
  return new ServerUnavailable(`the Temporal server at ${address} ${how}: start it, or name another`, address, cause);
}

/** Where the client's server is; `the connection's address` when the connection does not say. */
export function addressOf(client: Client): string {
  const { options } = client.connection as { options?: { address?: string } };
  return options?.address ?? "the connection's address";
}

/** Whether a worker serves the task queue: whether one polled it lately. @param ms how long the answer may take, in milliseconds */
export async function hasWorker(client: Client, taskQueue: string, ms = ANSWER_MS): Promise<boolean> {
  const { namespace } = client.options;
  const describe = () => client.workflowService.describeTaskQueue({ namespace, taskQueue: { name: taskQueue } });
  const { pollers } = await ask(client, describe, ms);
  return pollers.some(({ lastAccessTime }) => Date.now() - Number(lastAccessTime?.seconds ?? 0) * 1000 < POLL_MS);
}
